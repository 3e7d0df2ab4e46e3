// The Philox 4x32-10 generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): ten rounds turn a
// counter of 128 bits and a key of 64 into a block of four words.
#pragma once

#include <cstdint>

#include "vectorized.h"

namespace penstock {
namespace philox {

constexpr uint32_t kMultipliers[2] = {0xD2511F53, 0xCD9E8D57}, kKeySteps[2] = {0x9E3779B9, 0xBB67AE85};
constexpr int kRounds = 10;
constexpr int kTogether = 64;  // blocks that go through the rounds side by side

struct State {
  uint64_t low, high, key;  // the counter's halves, and the key
};

// Ten rounds on `count` blocks, whose words 0 to 3 are in four arrays.
inline PENSTOCK_INLINE void rounds(uint64_t key, uint32_t (*words)[kTogether], int count) {
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < count; ++i) {
      uint64_t even = static_cast<uint64_t>(words[0][i]) * kMultipliers[0];
      uint64_t odd = static_cast<uint64_t>(words[2][i]) * kMultipliers[1];
      uint32_t first = static_cast<uint32_t>(odd >> 32) ^ words[1][i] ^ k0;
      uint32_t third = static_cast<uint32_t>(even >> 32) ^ words[3][i] ^ k1;
      words[0][i] = first;
      words[1][i] = static_cast<uint32_t>(odd);
      words[2][i] = third;
      words[3][i] = static_cast<uint32_t>(even);
    }
    k0 += kKeySteps[0];
    k1 += kKeySteps[1];
  }
}

// The counters of `count` blocks from number `block` on.
inline PENSTOCK_INLINE void counters(const State& state, uint64_t block, uint32_t (*words)[kTogether], int count) {
  for (int i = 0; i < count; ++i) {
    uint64_t low = state.low + block + static_cast<uint64_t>(i);
    uint64_t high = state.high + (low < state.low);
    words[0][i] = static_cast<uint32_t>(low);
    words[1][i] = static_cast<uint32_t>(low >> 32);
    words[2][i] = static_cast<uint32_t>(high);
    words[3][i] = static_cast<uint32_t>(high >> 32);
  }
}

}  // namespace philox
}  // namespace penstock
