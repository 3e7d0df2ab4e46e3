#include "meeting.h"

#include <exception>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace penstock {
namespace {

namespace ffi = xla::ffi;

struct Gathering {
  explicit Gathering(size_t devices) : arrays(devices), promises(devices) {}

  std::vector<Arrays> arrays;
  std::vector<ffi::Promise> promises;
  size_t present = 0;
};

std::mutex doors;

// Those whose devices are not all here yet, by run and place. Never deleted: XLA's threads may run while a process exits.
auto& gatherings() {
  static auto* found = new std::map<std::pair<int64_t, int64_t>, Gathering>();
  return *found;
}

}  // namespace

ffi::Future meet(const Meeting& meeting, Arrays own, const std::function<void(const std::vector<Arrays>&)>& work) {
  std::pair key(meeting.run, meeting.place);
  std::unique_lock lock(doors);
  Gathering& here = gatherings().try_emplace(key, meeting.devices).first->second;
  here.arrays[meeting.number] = std::move(own);
  if (++here.present < here.arrays.size()) return ffi::Future(here.promises[meeting.number]);
  Gathering all = std::move(here);
  gatherings().erase(key);
  lock.unlock();

  std::string problem;
  try {
    work(all.arrays);
  } catch (const std::exception& error) {
    problem = error.what();
  }
  auto complete = [problem](ffi::Promise promise) {
    problem.empty() ? promise.SetAvailable() : promise.SetError(ffi::Error::Internal(problem));
  };
  // What another device does next runs on the thread that completes its promise, and may wait for this device.
  for (size_t i = 0; i < all.promises.size(); ++i)
    if (static_cast<int64_t>(i) != meeting.number) std::thread(complete, all.promises[i]).detach();
  complete(all.promises[meeting.number]);
  return ffi::Future(all.promises[meeting.number]);
}

}  // namespace penstock
