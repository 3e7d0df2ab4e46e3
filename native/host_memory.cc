#include "host_memory.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

namespace penstock {
namespace {

namespace ffi = xla::ffi;

constexpr long kPlaces = 1024, kLine = 64;  // places, bytes that processors exchange at a time

using Arrivals = std::atomic<uint32_t>;  // how many have come to a place since the beginning, of all processes
static_assert(Arrivals::is_always_lock_free && sizeof(Arrivals) == 4);

// The memory of this process's cluster. It stays mapped: threads may still wait in it while a process exits.
struct Memory {
  char* base = nullptr;
  int64_t size = 0;
  int count = 0, number = 0;

  Arrivals& arrivals(int64_t place) const { return *reinterpret_cast<Arrivals*>(base + place * kLine); }
  char* parts() const { return base + kPlaces * kLine; }
} memory;

std::atomic<uint32_t> passed[kPlaces];  // how often this process has been at a place
std::atomic<bool> abandoned{false};

void sleep_until_changed(Arrivals& arrivals, uint32_t from) {
  const timespec while_watching{0, 50'000'000};
  syscall(SYS_futex, &arrivals, FUTEX_WAIT, from, &while_watching, nullptr, 0);
}

int64_t stride(int64_t bytes) { return (bytes + kLine - 1) / kLine * kLine + kLine; }

}  // namespace

Exchange::Exchange(const Place& place) : place_(place) {
  int64_t end = kPlaces * kLine + place.offset + memory.count * stride(place.bytes);
  if (place.number >= kPlaces || end > memory.size) throw std::runtime_error("the memory that processes share is too small");
  *reinterpret_cast<int64_t*>(own() - kLine) = place.bytes;
}

int process_count() { return memory.count; }

int Exchange::count() const { return memory.count; }
int Exchange::number() const { return memory.number; }

char* Exchange::part(int process) const {
  return memory.parts() + place_.offset + process * stride(place_.bytes) + kLine;
}

void Exchange::meet() {
  Arrivals& arrivals = memory.arrivals(place_.number);
  const uint32_t all = ++passed[place_.number] * memory.count;
  uint32_t now = arrivals.fetch_add(1, std::memory_order_acq_rel) + 1;
  if (now == all) syscall(SYS_futex, &arrivals, FUTEX_WAKE, memory.count, nullptr, nullptr, 0);
  for (; static_cast<int32_t>(now - all) < 0; now = arrivals.load(std::memory_order_acquire)) {
    if (abandoned) throw std::runtime_error("a process that shares this program's memory does not come any more");
    sleep_until_changed(arrivals, now);
  }
  check_sizes();
}

void Exchange::check_sizes() const {
  for (int p = 0; p < memory.count; ++p)
    if (*reinterpret_cast<const int64_t*>(part(p) - kLine) != place_.bytes)
      throw std::runtime_error("the processes that share memory run different programs");
}

ffi::Future exchange(const Place& place, const std::function<void(Exchange&)>& work) {
  ffi::Promise promise;
  ffi::Future done(promise);
  auto run = [place, work](ffi::Promise promise) {
    try {
      Exchange here(place);
      work(here);
    } catch (const std::exception& error) {
      return promise.SetError(ffi::Error::Internal(error.what()));
    }
    promise.SetAvailable();
  };
  std::thread(run, std::move(promise)).detach();
  return done;
}

}  // namespace penstock

// Maps the memory behind a file descriptor, for `count` processes of which this is the one with that number. Once for a process.
extern "C" bool penstock_share_memory(int file, int64_t size, int count, int number) {
  void* base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
  if (base == MAP_FAILED) return false;
  penstock::memory = {static_cast<char*>(base), size, count, number};
  return true;
}

// Meets the other processes between two programs: 1 where one of them brings true, else 0; -1 where one does not come.
extern "C" int penstock_any_process(bool own) {
  using namespace penstock;
  try {
    const int64_t room = memory.size - kPlaces * kLine;
    Exchange here({kPlaces - 1, room - memory.count * stride(1), 1});
    *here.own() = own;
    here.meet();
    int found = 0;
    for (int p = 0; p < here.count(); ++p) found |= *here.part(p);
    here.meet();
    return found;
  } catch (const std::exception&) {
    return -1;
  }
}

// Ends all waiting: some process does not come any more.
extern "C" void penstock_abandon_memory() { penstock::abandoned = true; }
