// The threads that native kernels run on, and whose turn it is to use them.
//
// XLA calls kernels from any of its own threads, and may call two at once. oneDNN's kernels need all of their threads
// to run at the same time (they wait for each other), so there is one team for the whole process, and a kernel takes
// a `Turn` before it uses it. Between two kernels the workers sleep, because XLA's threads need the cores then.
#pragma once

#include <functional>

namespace penstock {

// How many threads a parallel region may have: as many as the process may use cores, or what the `Turn` allows.
int team_size();

// Starts `function(data)` on threads 1 to `threads` - 1; the caller is thread 0, and calls it by itself.
void start_region(void (*function)(void*), void* data, int threads);

// Does the shares of threads that have not begun, and waits for the others.
void end_region();

// Waits until all threads of the region are here.
void region_barrier();

// The calling thread's number in the region it runs in, and how many there are; 0 and 1 outside regions.
int thread_number();
int thread_count();

// Calls body(first, last) on disjoint ranges that make up [0, count), at the same time; `grain` is the least that is
// worth a thread.
void parallel_for(long count, long grain, const std::function<void(long, long)>& body);

// The same in ranges of `chunk`, which threads take one after the other: one that others keep from its core does fewer. Which
// thread does what changes from call to call, so what `body` computes must not depend on it.
void parallel_chunks(long count, long chunk, const std::function<void(long, long)>& body);

// While one of these lives, the thread takes numbers below the smallest normal one for zero, as XLA's and TensorFlow's
// threads do. Arithmetic with them takes a hundred cycles, and moments of weights that no longer change become as small.
class WithoutDenormals {
 public:
  WithoutDenormals();
  ~WithoutDenormals();

 private:
  unsigned before_ = 0;
};

// Held by a kernel while it uses the team, or the memory that kernels share.
//
// Waking and gathering threads takes some microseconds, and much longer where other processes use the cores. A kernel
// that says that it does less than `kLeastWork` arithmetic gets one thread. In `in_turn`, as in `guarded`, it only says that.
class Turn {
 public:
  static constexpr double kLeastWork = 2e7;

  explicit Turn(double work = kLeastWork);
  ~Turn();
  Turn(const Turn&) = delete;

 private:
  bool took_ = false;
};

// Calls `work`, which must not throw, in a turn. Where others have theirs, it is called on the thread that has it now: this one
// and the team's others are on cores already, while the calling thread would first have to get onto one, which takes about a
// millisecond where each device of a program comes from a thread of its own.
void in_turn(const std::function<void()>& work);

// While one of these lives, the holder of the `Turn` gets one thread.
class Alone {
 public:
  explicit Alone(bool wanted = true);
  ~Alone();

 private:
  bool before_;
};

}  // namespace penstock
