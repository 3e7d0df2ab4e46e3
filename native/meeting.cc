#include "meeting.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "team.h"

namespace penstock {
namespace {

namespace ffi = xla::ffi;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

struct Gathering {
  explicit Gathering(size_t devices) : arrays(devices), promises(devices), came(devices) {}

  std::vector<Arrays> arrays;
  std::vector<ffi::Promise> promises;
  std::vector<bool> came;
  Clock::time_point begun = Clock::now();
};

std::mutex doors;

// Those whose devices are not all here yet, by run and place. Never deleted: XLA's threads may run while a process exits.
auto& gatherings() {
  static auto* found = new std::map<std::pair<int64_t, int64_t>, Gathering>();
  return *found;
}

// Runs in which a device did not come, and what was said of it: who comes later hears it at once.
auto& broken_runs() {
  static auto* found = new std::map<int64_t, std::string>();
  return *found;
}

// How long devices wait for each other. As long as XLA's own collectives do, which then end the process.
Seconds patience() {
  const char* given = std::getenv("PENSTOCK_MEETING_TIMEOUT");
  double seconds = given ? std::atof(given) : 0;
  return Seconds(seconds > 0 ? seconds : 60);
}

std::string told_of(const Gathering& gathering, Seconds waited) {
  std::string missing;
  for (size_t i = 0; i < gathering.came.size(); ++i)
    if (!gathering.came[i]) missing += (missing.empty() ? "" : ", ") + std::to_string(i);
  return "device " + missing + " of " + std::to_string(gathering.came.size()) + " did not come where the others waited for " +
         std::to_string(static_cast<long>(waited.count())) +
         " s: its part of the step has failed, or takes longer (PENSTOCK_MEETING_TIMEOUT, in seconds)";
}

// Ends the meetings that some device does not come to, since its program has failed before: XLA tells nobody.
void end_broken_runs(Seconds waited) {
  std::vector<std::pair<ffi::Promise, std::string>> waiting;
  {
    std::lock_guard lock(doors);
    std::set<int64_t> late;
    for (const auto& [key, gathering] : gatherings())
      if (Clock::now() - gathering.begun > waited && late.insert(key.first).second)
        broken_runs()[key.first] = told_of(gathering, waited);
    for (auto each = gatherings().begin(); each != gatherings().end();) {
      const auto& [key, gathering] = *each;
      if (!late.count(key.first)) {
        ++each;
        continue;
      }
      for (size_t i = 0; i < gathering.came.size(); ++i)
        if (gathering.came[i]) waiting.emplace_back(gathering.promises[i], broken_runs()[key.first]);
      each = gatherings().erase(each);
    }
  }
  for (auto& [promise, text] : waiting)  // each on a thread of its own, as below
    std::thread([promise = promise, text = text]() mutable { promise.SetError(ffi::Error::Internal(text)); }).detach();
}

// Looks after all meetings from the first one on, a few times within the patience.
void begin_to_watch() {
  static std::once_flag once;
  std::call_once(once, [] {
    std::thread([waited = patience()] {
      for (;;) {
        std::this_thread::sleep_for(waited / 8);
        end_broken_runs(waited);
      }
    }).detach();
  });
}

}  // namespace

ffi::Future meet(const Meeting& meeting, Arrays own, const std::function<void(const std::vector<Arrays>&)>& work) {
  begin_to_watch();
  std::pair key(meeting.run, meeting.place);
  std::unique_lock lock(doors);
  if (auto broken = broken_runs().find(meeting.run); broken != broken_runs().end()) {
    ffi::Promise refused;
    refused.SetError(ffi::Error::Internal(broken->second));
    return ffi::Future(refused);
  }
  Gathering& here = gatherings().try_emplace(key, meeting.devices).first->second;
  here.arrays[meeting.number] = std::move(own);
  here.came[meeting.number] = true;
  if (std::count(here.came.begin(), here.came.end(), false)) return ffi::Future(here.promises[meeting.number]);
  Gathering all = std::move(here);
  gatherings().erase(key);
  lock.unlock();

  std::string problem;
  in_turn([&] {
    const WithoutDenormals flush;
    try {
      work(all.arrays);
    } catch (const std::exception& error) {
      problem = error.what();
    }
  });
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
