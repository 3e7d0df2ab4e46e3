// Random numbers of the Philox 4x32-10 generator, as TensorFlow makes them: XLA would unroll the ten rounds into every
// loop that uses a number, and computes the numbers of a dropout twice, in the forward and in the backward pass.
#include <algorithm>
#include <cstdint>

#include "onednn.h"
#include "philox.h"
#include "team.h"
#include "vectorized.h"

namespace penstock {
namespace {

using namespace philox;

constexpr uint64_t kScrambleKey = 0x02461E293EC8F720;  // under which two seeds become a key and a counter
constexpr long kGrain = 1 << 12;                       // fewer blocks than this are not worth another thread

// The numbers of blocks [first, last), of `size` numbers in all: the 23 lowest bits of a word are the fraction.
PENSTOCK_VECTORIZED void uniform_blocks(State state, float* numbers, long size, long first, long last) {
  uint32_t words[4][kTogether];
  float made[kTogether][4];
  for (long block = first; block < last; block += kTogether) {
    counters(state, static_cast<uint64_t>(block), words, kTogether);
    rounds(state.key, words, kTogether);
    for (int i = 0; i < kTogether; ++i) {
      for (int lane = 0; lane < 4; ++lane) {
        made[i][lane] = static_cast<float>(static_cast<int32_t>(words[lane][i] & 0x7FFFFF)) * 0x1p-23f;
      }
    }
    long end = std::min({size, 4 * last, 4 * (block + kTogether)});
    std::copy(made[0], made[0] + (end - 4 * block), numbers + 4 * block);
  }
}

void uniform(State state, float* numbers, long size) {
  Turn turn;
  parallel_for((size + 3) / 4, kGrain,
               [&](long first, long last) { uniform_blocks(state, numbers, size, first, last); });
}

// state [3] uint64: the counter's lower and upper half, the key -> float32 in [0, 1).
ffi::Error random_uniform(ffi::AnyBuffer state, ffi::Result<ffi::AnyBuffer> numbers) {
  return guarded("random_uniform", [&] {
    const uint64_t* given = static_cast<const uint64_t*>(state.untyped_data());
    uniform({given[0], given[1], given[2]}, static_cast<float*>(numbers->untyped_data()),
            static_cast<long>(numbers->element_count()));
  });
}

// seed [2] uint64 -> the state [3] that these two numbers stand for.
ffi::Error random_state(ffi::AnyBuffer seed, ffi::Result<ffi::AnyBuffer> state) {
  return guarded("random_state", [&] {
    const uint64_t* given = static_cast<const uint64_t*>(seed.untyped_data());
    uint32_t words[4][kTogether];
    for (int half = 0; half < 2; ++half) {
      words[2 * half][0] = static_cast<uint32_t>(given[half]);
      words[2 * half + 1][0] = static_cast<uint32_t>(given[half] >> 32);
    }
    rounds(kScrambleKey, words, 1);
    uint64_t* made = static_cast<uint64_t*>(state->untyped_data());
    made[0] = 0;
    made[1] = words[2][0] | static_cast<uint64_t>(words[3][0]) << 32;
    made[2] = words[0][0] | static_cast<uint64_t>(words[1][0]) << 32;
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_random_uniform, random_uniform,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_random_state, random_state,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>());

}  // namespace penstock

// The same for the host.
extern "C" void penstock_fill_uniform(uint64_t low, uint64_t high, uint64_t key, long size, float* numbers) {
  penstock::uniform({low, high, key}, numbers, size);
}
