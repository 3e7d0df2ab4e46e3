// The part of the OpenMP runtime that oneDNN calls, on our team of threads.
//
// oneDNN's packages on PyPI are built for GNU OpenMP, which keeps a pool of threads for every thread that calls it and
// lets them spin: with XLA's threads beside them they take the cores from each other. libdnnl.so is loaded as a
// dependency of this library, so the dynamic linker finds these definitions before those of libgomp.so; nothing else
// in the process sees them.
#include "team.h"

namespace {

// A region inside a region has one thread, whose number is 0.
thread_local int nesting = 0;

}  // namespace

extern "C" {

int omp_get_max_threads() { return penstock::team_size(); }
int omp_get_num_threads() { return nesting > 1 ? 1 : penstock::thread_count(); }
int omp_get_thread_num() { return nesting > 1 ? 0 : penstock::thread_number(); }
int omp_in_parallel() { return penstock::thread_count() > 1; }

void GOMP_parallel_start(void (*function)(void*), void* data, unsigned threads) {
  if (penstock::thread_count() > 1) {
    nesting += nesting == 0 ? 2 : 1;
    return;
  }
  penstock::start_region(function, data, threads == 0 ? penstock::team_size() : static_cast<int>(threads));
}

void GOMP_parallel_end() {
  if (nesting > 0) {
    nesting = nesting == 2 ? 0 : nesting - 1;
    return;
  }
  penstock::end_region();
}

void GOMP_barrier() {
  if (nesting == 0) penstock::region_barrier();
}

// `#pragma omp for schedule(static)`: one contiguous share for each thread.
bool GOMP_loop_static_start(long start, long end, long step, long, long* first, long* last) {
  long count = (end - start + step + (step > 0 ? -1 : 1)) / step;
  long threads = omp_get_num_threads(), number = omp_get_thread_num();
  *first = start + count * number / threads * step;
  *last = start + count * (number + 1) / threads * step;
  return *first != *last;
}

bool GOMP_loop_static_next(long*, long*) { return false; }
void GOMP_loop_end_nowait() {}

}  // extern "C"
