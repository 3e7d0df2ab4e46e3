// Draws from the Philox generator that XLA has no vector instructions for: permutations, categories, and gamma numbers by
// rejection, as TensorFlow's CPU kernels make them.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "elementary.h"
#include "onednn.h"
#include "philox.h"
#include "rows.h"
#include "team.h"
#include "vectorized.h"

namespace penstock {
namespace {

using namespace philox;

constexpr long kRowsGrain = 1 << 12;  // exponentials that are worth another thread
constexpr long kGammaGrain = 512;     // gamma numbers that are worth another thread
constexpr uint64_t kReserved = 256;   // blocks that each number drawn by rejection has for itself
constexpr double kLeastNormal = 1e-7;

// Words 0, 1, 2, ... of the stream from number `first` on, of which 4 * kTogether are made at once.
class Words {
 public:
  Words(const State& state, uint64_t first) : state_(state), block_(first / 4), at_(kMade + static_cast<int>(first % 4)) {}

  uint32_t next() {
    if (at_ >= kMade) refill();
    return made_[at_++];
  }

 private:
  static constexpr int kMade = 4 * kTogether;

  void refill() {
    make(state_, block_, made_);
    block_ += kTogether;
    at_ -= kMade;
  }

  PENSTOCK_VECTORIZED static void make(const State& state, uint64_t block, uint32_t* made) {
    uint32_t words[4][kTogether];
    counters(state, block, words, kTogether);
    rounds(state.key, words, kTogether);
    for (int i = 0; i < kTogether; ++i)
      for (int lane = 0; lane < 4; ++lane) made[4 * i + lane] = words[lane][i];
  }

  const State& state_;
  uint64_t block_;
  int at_;
  uint32_t made_[kMade];
};

// 52 bits as a number in [0, 1).
inline double unit(uint32_t high, uint32_t low) {
  return static_cast<double>(high & 0xFFFFF) * 0x1p-20 + static_cast<double>(low) * 0x1p-52;
}

// A random order of [0, size), by Fisher and Yates: each place in turn is swapped with one that is not before it.
void permutation(const State& state, uint32_t size, int32_t* order) {
  for (uint32_t i = 0; i < size; ++i) order[i] = static_cast<int32_t>(i);
  Words words(state, 0);
  for (uint32_t i = 0; i + 1 < size; ++i) std::swap(order[i], order[i + words.next() % (size - i)]);
}

// The running sums of e^logit up to a factor; what is infinite or not a number has no weight.
PENSTOCK_VECTORIZED
double running_weights(const float* logits, long classes, double* running) {
  constexpr float kLowest = std::numeric_limits<float>::lowest();
  auto finite = [&](long c) PENSTOCK_INLINE { return logits[c] - logits[c] == 0.0f ? logits[c] : kLowest; };
  const float highest = reduced(classes, kLowest, finite, larger);
  for (long c = 0; c < classes; ++c) {
    const double below = static_cast<double>(logits[c]) - highest;
    running[c] = logits[c] - logits[c] == 0.0f ? exponential_of_negative(below) : 0.0;
  }
  double sum = 0;
  for (long c = 0; c < classes; ++c) running[c] = sum += running[c];
  return sum;
}

// How many of the numbers, which rise, are at most `limit`. No branch guesses which half it will be.
int32_t count_up_to(const double* rising, long count, double limit) {
  const double* at = rising;
  for (long left = count; left > 0;) {
    const long half = (left + 1) / 2;
    at += half * (at[half - 1] <= limit);
    left -= half;
  }
  return static_cast<int32_t>(at - rising);
}

void categories(const State& state, const float* logits, long batch, long classes, long samples, int32_t* drawn) {
  parallel_for(batch, std::max(1L, kRowsGrain / classes), [&](long first, long last) {
    std::vector<double> running(classes);
    Words words(state, 2 * static_cast<uint64_t>(first * samples));
    for (long row = first; row < last; ++row) {
      const double total = running_weights(logits + row * classes, classes, running.data());
      for (long s = 0; s < samples; ++s) {
        const uint32_t high = words.next(), low = words.next();
        drawn[row * samples + s] = count_up_to(running.data(), classes, unit(high, low) * total);
      }
    }
  });
}

// The first blocks of the stretches of `kDrawn` numbers, made side by side: most numbers need no others.
constexpr int kDrawn = 32, kFirst = kTogether / kDrawn;

struct FirstBlocks {
  uint32_t words[4][kTogether];
};

PENSTOCK_VECTORIZED
void make_first_blocks(const State& state, const uint64_t* starts, int count, FirstBlocks& made) {
  uint64_t low[kTogether], high[kTogether];
  for (int i = 0; i < kFirst * count; ++i) {
    low[i] = state.low + starts[i / kFirst] + static_cast<uint64_t>(i % kFirst);
    high[i] = state.high + (low[i] < state.low);
  }
  for (int i = 0; i < kFirst * count; ++i) {
    made.words[0][i] = static_cast<uint32_t>(low[i]);
    made.words[1][i] = static_cast<uint32_t>(low[i] >> 32);
    made.words[2][i] = static_cast<uint32_t>(high[i]);
    made.words[3][i] = static_cast<uint32_t>(high[i] >> 32);
  }
  rounds(state.key, made.words, kFirst * count);
}

// What one number is drawn from: its stretch of the stream, a block at a time.
class Stretch {
 public:
  Stretch(const State& state, uint64_t start, const FirstBlocks& made, int which)
      : state_(state), start_(start), made_(made), which_(which) {}

  void next(uint32_t* block) {
    if (used_ < kFirst) {
      for (int lane = 0; lane < 4; ++lane) block[lane] = made_.words[lane][kFirst * which_ + used_];
    } else {
      uint32_t words[4][kTogether];
      counters(state_, start_ + used_, words, 1);
      rounds(state_.key, words, 1);
      for (int lane = 0; lane < 4; ++lane) block[lane] = words[lane][0];
    }
    ++used_;
  }

 private:
  const State& state_;
  const uint64_t start_;
  const FirstBlocks& made_;
  const int which_;
  int used_ = 0;
};

// The second number of a block first, then the first one.
class Uniforms {
 public:
  explicit Uniforms(Stretch& stretch) : stretch_(stretch) {}

  double next() {
    left_ = !left_;
    if (!left_) return spare_;
    uint32_t words[4];
    stretch_.next(words);
    spare_ = unit(words[0], words[1]);
    return unit(words[2], words[3]);
  }

 private:
  Stretch& stretch_;
  bool left_ = false;
  double spare_ = 0;
};

// Marsaglia and Tsang's method (ACM TOMS 26, 2000).
double gamma(Stretch stretch, double alpha) {
  if (!(std::isfinite(alpha) && alpha >= 0)) return std::numeric_limits<double>::quiet_NaN();
  Uniforms uniforms(stretch);
  if (alpha == 1) return -std::log1p(-uniforms.next());
  const bool small = alpha < 1;
  const double d = alpha + (small ? 2.0 / 3 : -1.0 / 3), c = 1.0 / 3 / std::sqrt(d);
  for (;;) {
    uint32_t words[4];
    stretch.next(words);
    const double radius = std::sqrt(-2 * std::log(std::max(unit(words[0], words[1]), kLeastNormal)));
    const double angle = 2 * M_PI * unit(words[2], words[3]);
    for (const bool second : {false, true}) {
      const double x = radius * (second ? std::sin(angle) : std::cos(angle));
      double v = 1 + c * x;
      if (v <= 0) continue;
      v = v * v * v;
      const double u = uniforms.next();
      if (u < 1 - 0.0331 * (x * x) * (x * x) || std::log(u) < 0.5 * x * x + d * (1 - v + std::log(v)))
        return d * v * (small ? std::pow(uniforms.next(), 1 / alpha) : 1.0);
    }
  }
}

// [samples, n], where the numbers of one distribution are neighbours in the stream.
void gammas(const State& state, const double* alphas, long samples, long n, float* drawn) {
  parallel_for(samples * n, kGammaGrain, [&](long first, long last) {
    for (long i = first; i < last; i += kDrawn) {
      const int count = static_cast<int>(std::min<long>(kDrawn, last - i));
      uint64_t starts[kDrawn];
      for (int j = 0; j < count; ++j) starts[j] = static_cast<uint64_t>((i + j) % n * samples + (i + j) / n) * kReserved;
      FirstBlocks made;
      make_first_blocks(state, starts, count, made);
      for (int j = 0; j < count; ++j)
        drawn[i + j] = static_cast<float>(gamma(Stretch(state, starts[j], made, j), alphas[(i + j) % n]));
    }
  });
}

State state_of(const ffi::AnyBuffer& buffer) {
  const uint64_t* words = static_cast<const uint64_t*>(buffer.untyped_data());
  return {words[0], words[1], words[2]};
}

// state [3] uint64 -> int32 [size]
ffi::Error random_permutation(ffi::AnyBuffer state, ffi::Result<ffi::AnyBuffer> order) {
  return guarded("random_permutation", [&] {
    permutation(state_of(state), static_cast<uint32_t>(order->element_count()), static_cast<int32_t*>(order->untyped_data()));
  });
}

// state [3] uint64, logits [batch, classes] float32 -> int32 [batch, samples]
ffi::Error random_categories(ffi::AnyBuffer state, ffi::AnyBuffer logits, ffi::Result<ffi::AnyBuffer> drawn) {
  return guarded("random_categories", [&] {
    categories(state_of(state), static_cast<const float*>(logits.untyped_data()), logits.dimensions()[0],
               logits.dimensions()[1], drawn->dimensions()[1], static_cast<int32_t*>(drawn->untyped_data()));
  });
}

// state [3] uint64, shapes [n] float64 -> float32 [samples, n]
ffi::Error random_gamma(ffi::AnyBuffer state, ffi::AnyBuffer alphas, ffi::Result<ffi::AnyBuffer> drawn) {
  return guarded("random_gamma", [&] {
    gammas(state_of(state), static_cast<const double*>(alphas.untyped_data()), drawn->dimensions()[0],
           drawn->dimensions()[1], static_cast<float*>(drawn->untyped_data()));
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_random_permutation, random_permutation,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_random_categories, random_categories,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_random_gamma, random_gamma,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>());

}  // namespace penstock

// The same for the host.
extern "C" void penstock_permute(uint64_t low, uint64_t high, uint64_t key, long size, int32_t* order) {
  penstock::permutation({low, high, key}, static_cast<uint32_t>(size), order);
}

extern "C" void penstock_draw_categories(uint64_t low, uint64_t high, uint64_t key, const float* logits, long batch,
                                         long classes, long samples, int32_t* drawn) {
  penstock::Turn turn;
  penstock::categories({low, high, key}, logits, batch, classes, samples, drawn);
}

extern "C" void penstock_draw_gamma(uint64_t low, uint64_t high, uint64_t key, const double* alphas, long samples, long n,
                                    float* drawn) {
  penstock::Turn turn;
  penstock::gammas({low, high, key}, alphas, samples, n, drawn);
}
