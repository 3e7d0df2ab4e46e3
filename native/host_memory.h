// Memory that the processes of one host share, and how they wait for each other there.
#pragma once

#include <cstdint>
#include <functional>

#include "xla/ffi/api/ffi.h"

namespace penstock {

// Where in a program the processes meet, and where in the memory lies what they bring: `bytes` from each.
struct Place {
  int64_t number, offset, bytes;
};

int process_count();  // of those that share the memory

// One execution of a place. All processes come to the same places in the same order.
class Exchange {
 public:
  explicit Exchange(const Place& place);

  int count() const;   // of processes
  int number() const;  // of this one
  char* part(int process) const;
  char* own() const { return part(number()); }

  // Returns when all processes have come so far, and sees what they have written.
  // Throws std::runtime_error where one will not come, or runs another program.
  void meet();

 private:
  void check_sizes() const;

  Place place_;
};

// Runs `work` on a thread of its own, as it waits: XLA's threads have other things to do meanwhile. When it has left its last
// meeting, the memory may be used again, so it meets the others once more after it has read what they brought.
xla::ffi::Future exchange(const Place& place, const std::function<void(Exchange&)>& work);

}  // namespace penstock
