#include "team.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace penstock {
namespace {

// About 20 microseconds: longer than the gaps between regions of one kernel, shorter than what XLA does in between.
constexpr int kSpins = 1000;

inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

void futex_wait(std::atomic<uint32_t>& word, uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void futex_wake(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

// A number that one thread raises and another waits for.
struct alignas(64) Signal {
  std::atomic<uint32_t> value{0};
  std::atomic<bool> asleep{false};

  void raise() {
    value.fetch_add(1);
    if (asleep.load()) futex_wake(value);
  }

  // Returns the new number.
  uint32_t wait_past(uint32_t old) {
    for (int i = 0; i < kSpins; ++i) {
      uint32_t now = value.load(std::memory_order_acquire);
      if (now != old) return now;
      pause();
    }
    asleep.store(true);
    while (value.load() == old) futex_wait(value, old);
    asleep.store(false);
    return value.load();
  }
};

struct Region {
  void (*function)(void*) = nullptr;
  void* data = nullptr;
  int threads = 1;
};

// One of the threads beside the caller's.
struct Worker {
  Signal begin;                    // raised when there is a share of a region for it
  std::atomic<bool> posted{false};  // whether nobody has taken that share yet
};

struct Team {
  explicit Team(int size) : size(size), workers(new Worker[size]) {
    for (int i = 1; i < size; ++i) std::thread([this, i] { work(i); }).detach();
  }

  void work(int number);

  const int size;
  Region region;
  std::unique_ptr<Worker[]> workers;  // the first is the caller's place, and not used
  Signal finished;                    // raised by the last worker of a region
  std::atomic<int> running{0};
  std::atomic<int> arrived{0};  // at the barrier
  std::atomic<uint32_t> barriers{0};
};

thread_local int current_number = 0;
thread_local int current_count = 1;

void Team::work(int number) {
  const WithoutDenormals flush;
  uint32_t seen = 0;
  current_number = number;
  while (true) {
    seen = workers[number].begin.wait_past(seen);
    if (!workers[number].posted.exchange(false)) continue;  // it woke up too late
    current_count = region.threads;
    region.function(region.data);
    if (running.fetch_sub(1) == 1) finished.raise();
  }
}

int available_cores() {
  if (const char* asked = std::getenv("OMP_NUM_THREADS"); asked != nullptr && std::atoi(asked) > 0)
    return std::atoi(asked);
  cpu_set_t set;
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

int cores() {
  static const int count = available_cores();
  return count;
}

// A thread that waits for its turn.
struct Waiter {
  const std::function<void()>* work;  // that whoever has the turn may do for it, or null
  std::condition_variable changed{};
  bool has_turn = false, is_done = false;
};

// Who has a turn, and who waits for one.
class Turns {
 public:
  // Returns whether the caller has the turn; otherwise its work is done.
  bool take(const std::function<void()>* work) {
    std::unique_lock lock(mutex_);
    if (!taken_) return taken_ = true;
    Waiter own{work};
    waiters_.push_back(&own);
    own.changed.wait(lock, [&] { return own.has_turn || own.is_done; });
    return own.has_turn;
  }

  // Does what others wait for, and gives the turn to the first whose work cannot be done here.
  void give() {
    std::unique_lock lock(mutex_);
    for (int done = 0; !waiters_.empty(); ++done) {
      Waiter& next = *waiters_.front();
      waiters_.pop_front();
      if (next.work == nullptr || done == kMost) {
        next.has_turn = true;
        return next.changed.notify_one();
      }
      lock.unlock();
      (*next.work)();
      lock.lock();
      next.is_done = true;
      next.changed.notify_one();  // under the lock: once it sees that, the waiter is gone
    }
    taken_ = false;
  }

 private:
  static constexpr int kMost = 16;  // that one does for others before it goes on with its own

  std::mutex mutex_;
  std::deque<Waiter*> waiters_;
  bool taken_ = false;
};

Turns* turns = new Turns;  // never deleted, like the team
thread_local bool has_turn = false;
bool alone = false;  // what the holder of the turn may use
Team* the_team = nullptr;

// The workers stay behind when a process forks, so the child starts a team of its own.
void forget_team() {
  the_team = nullptr;
  alone = false;
  turns = new Turns;
  has_turn = false;
}

Team& team() {
  if (the_team == nullptr) {
    static const int registered = pthread_atfork(nullptr, nullptr, forget_team);
    (void)registered;
    the_team = new Team(cores());  // never deleted: its threads may run until the process ends
  }
  return *the_team;
}

thread_local uint32_t finished_before = 0;

}  // namespace

#if defined(__x86_64__)
WithoutDenormals::WithoutDenormals() : before_(_mm_getcsr()) {
  _mm_setcsr(before_ | _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON);
}
WithoutDenormals::~WithoutDenormals() { _mm_setcsr(before_); }
#else
WithoutDenormals::WithoutDenormals() = default;
WithoutDenormals::~WithoutDenormals() = default;
#endif

Turn::Turn(double work) : took_(!has_turn && turns->take(nullptr)) {
  has_turn = true;
  alone = work < kLeastWork;
}

Turn::~Turn() {
  alone = false;
  if (!took_) return;
  turns->give();
  has_turn = false;
}

void in_turn(const std::function<void()>& work) {
  if (has_turn) return work();
  if (!turns->take(&work)) return;
  has_turn = true;
  work();
  turns->give();
  has_turn = false;
}

Alone::Alone(bool wanted) : before_(alone) { alone = alone || wanted; }
Alone::~Alone() { alone = before_; }

int team_size() { return alone ? 1 : cores(); }

int thread_number() { return current_number; }
int thread_count() { return current_count; }

void start_region(void (*function)(void*), void* data, int threads) {
  Team& own = team();
  threads = std::min(threads, own.size);
  if (threads <= 1 || current_count > 1) return;
  own.region = {function, data, threads};
  own.running.store(threads - 1);
  finished_before = own.finished.value.load();
  current_count = threads;
  for (int i = 1; i < threads; ++i) {
    own.workers[i].posted.store(true);
    own.workers[i].begin.raise();
  }
}

void end_region() {
  if (current_count == 1 || current_number != 0) return;
  Team& own = team();
  Region region = own.region;
  // The share of a worker that has not woken up yet is done here: where other processes use the cores, that may take long.
  for (int i = region.threads - 1; i > 0; --i) {
    if (!own.workers[i].posted.exchange(false)) continue;
    current_number = i;
    region.function(region.data);
    current_number = 0;
    if (own.running.fetch_sub(1) == 1) own.finished.raise();
  }
  own.finished.wait_past(finished_before);
  current_count = 1;
}

void region_barrier() {
  if (current_count == 1) return;
  Team& own = team();
  uint32_t before = own.barriers.load();
  if (own.arrived.fetch_add(1) + 1 == current_count) {
    own.arrived.store(0);
    own.barriers.fetch_add(1);
    return;
  }
  for (int i = 0; own.barriers.load(std::memory_order_acquire) == before; ++i) {
    if (i < kSpins) {
      pause();
    } else {
      sched_yield();
    }
  }
}

void parallel_for(long count, long grain, const std::function<void(long, long)>& body) {
  long threads = std::min<long>(team_size(), grain > 0 ? (count + grain - 1) / grain : count);
  if (threads <= 1 || current_count > 1) {
    if (count > 0) body(0, count);
    return;
  }
  struct Work {
    const std::function<void(long, long)>& body;
    long count;
  } work{body, count};
  auto part = [](void* data) {
    auto& work = *static_cast<Work*>(data);
    long first = work.count * thread_number() / thread_count();
    long last = work.count * (thread_number() + 1) / thread_count();
    if (first < last) work.body(first, last);
  };
  start_region(part, &work, static_cast<int>(threads));
  part(&work);
  end_region();
}

void parallel_chunks(long count, long chunk, const std::function<void(long, long)>& body) {
  long threads = std::min<long>(team_size(), (count + chunk - 1) / chunk);
  if (threads <= 1 || current_count > 1) {
    if (count > 0) body(0, count);
    return;
  }
  struct Work {
    const std::function<void(long, long)>& body;
    long count, chunk;
    std::atomic<long> next{0};
  } work{body, count, chunk};
  auto part = [](void* data) {
    auto& work = *static_cast<Work*>(data);
    for (long first; (first = work.next.fetch_add(work.chunk)) < work.count;)
      work.body(first, std::min(work.count, first + work.chunk));
  };
  start_region(part, &work, static_cast<int>(threads));
  part(&work);
  end_region();
}

}  // namespace penstock
