// Hashes of byte strings: FarmHash's Fingerprint64 and SipHash-2-4 of every string of a NumPy array of Python's `bytes`.
//
// The functions are those of `penstock/ops/strings/farmhash.py` and `siphash.py`, which say where they come from.
#include <cstdint>
#include <cstring>
#include <utility>

namespace penstock {
namespace {

constexpr uint64_t kMultiplier0 = 0xC3A5C85C97CB3127, kMultiplier1 = 0xB492B66FBE98F273,
                   kMultiplier2 = 0x9AE16A3B2F90404F;

// Words are little-endian, as the processors that this library is for.
template <typename Word>
Word at(const uint8_t* bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

uint64_t word(const uint8_t* bytes) { return at<uint64_t>(bytes); }
uint64_t right(uint64_t value, int shift) { return value >> shift | value << (64 - shift); }
uint64_t left(uint64_t value, int shift) { return value << shift | value >> (64 - shift); }
uint64_t shift_mix(uint64_t value) { return value ^ value >> 47; }

uint64_t mix(uint64_t u, uint64_t v, uint64_t multiplier) {
  const uint64_t a = shift_mix((u ^ v) * multiplier);
  return shift_mix((v ^ a) * multiplier) * multiplier;
}

uint64_t up_to_16(const uint8_t* s, uint64_t length) {
  const uint64_t multiplier = kMultiplier2 + length * 2;
  if (length >= 8) {
    const uint64_t a = word(s) + kMultiplier2, b = word(s + length - 8);
    return mix(right(b, 37) * multiplier + a, (right(a, 25) + b) * multiplier, multiplier);
  }
  if (length >= 4) {
    const uint64_t first = at<uint32_t>(s), last = at<uint32_t>(s + length - 4);
    return mix(length + (first << 3), last, multiplier);
  }
  if (length == 0) return kMultiplier2;
  const uint64_t y = s[0] + (uint64_t{s[length >> 1]} << 8), z = length + (uint64_t{s[length - 1]} << 2);
  return shift_mix(y * kMultiplier2 ^ z * kMultiplier0) * kMultiplier2;
}

uint64_t up_to_32(const uint8_t* s, uint64_t length) {
  const uint64_t multiplier = kMultiplier2 + length * 2;
  const uint64_t a = word(s) * kMultiplier1, b = word(s + 8);
  const uint64_t c = word(s + length - 8) * multiplier, d = word(s + length - 16) * kMultiplier2;
  return mix(right(a + b, 43) + right(c, 30) + d, a + right(b + kMultiplier2, 18) + c, multiplier);
}

uint64_t up_to_64(const uint8_t* s, uint64_t length) {
  const uint64_t multiplier = kMultiplier2 + length * 2;
  const uint64_t a = word(s) * kMultiplier2, b = word(s + 8);
  const uint64_t c = word(s + length - 8) * multiplier, d = word(s + length - 16) * kMultiplier2;
  const uint64_t y = right(a + b, 43) + right(c, 30) + d;
  const uint64_t z = mix(y, a + right(b + kMultiplier2, 18) + c, multiplier);
  const uint64_t e = word(s + 16) * multiplier, f = word(s + 24);
  const uint64_t g = (y + word(s + length - 32)) * multiplier, h = (z + word(s + length - 24)) * multiplier;
  return mix(right(e + f, 43) + right(g, 30) + h, e + right(f + a, 18) + g, multiplier);
}

struct Pair {
  uint64_t low, high;
};

Pair weak(const uint8_t* s, uint64_t a, uint64_t b) {
  a += word(s);
  b = right(b + a + word(s + 24), 21);
  const uint64_t c = a;
  a += word(s + 8) + word(s + 16);
  b += right(a, 44);
  return {a + word(s + 24), b + c};
}

struct Long {
  uint64_t x, y, z;
  Pair v, w;

  // Stirs 64 bytes in; `final` is 9 for the last round, 1 before.
  void stir(const uint8_t* s, uint64_t multiplier, uint64_t final) {
    x = right(x + y + v.low + word(s + 8), 37) * multiplier;
    y = right(y + v.high + word(s + 48), 42) * multiplier;
    x ^= w.high * final;
    y += v.low * final + word(s + 40);
    z = right(z + w.low, 33) * multiplier;
    v = weak(s, v.high * multiplier, x + w.low);
    w = weak(s + 32, z + w.high, y + word(s + 16));
    std::swap(z, x);
  }
};

uint64_t longer(const uint8_t* s, uint64_t length) {
  constexpr uint64_t kSeed = 81;
  const uint64_t y = kSeed * kMultiplier1 + 113;
  Long state{kSeed * kMultiplier2 + word(s), y, shift_mix(y * kMultiplier2 + 113) * kMultiplier2, {0, 0}, {0, 0}};
  const uint64_t end = (length - 1) / 64 * 64;
  for (uint64_t i = 0; i < end; i += 64) state.stir(s + i, kMultiplier1, 1);
  const uint64_t multiplier = kMultiplier1 + ((state.z & 0xFF) << 1);
  state.w.low += (length - 1) & 63;
  state.v.low += state.w.low;
  state.w.low += state.v.low;
  state.stir(s + length - 64, multiplier, 9);
  const auto& [x, last, z, v, w] = state;
  return mix(mix(v.low, w.low, multiplier) + shift_mix(last) * kMultiplier0 + z, mix(v.high, w.high, multiplier) + x,
             multiplier);
}

uint64_t fingerprint(const uint8_t* s, uint64_t length) {
  if (length <= 16) return up_to_16(s, length);
  if (length <= 32) return up_to_32(s, length);
  return length <= 64 ? up_to_64(s, length) : longer(s, length);
}

struct SipHash {
  uint64_t v0, v1, v2, v3;

  SipHash(uint64_t key0, uint64_t key1)
      : v0(key0 ^ 0x736F6D6570736575), v1(key1 ^ 0x646F72616E646F6D), v2(key0 ^ 0x6C7967656E657261),
        v3(key1 ^ 0x7465646279746573) {}

  void round() {
    v0 += v1, v2 += v3;
    v1 = left(v1, 13) ^ v0, v3 = left(v3, 16) ^ v2;
    v0 = left(v0, 32) + v3, v2 += v1;
    v3 = left(v3, 21) ^ v0, v1 = left(v1, 17) ^ v2;
    v2 = left(v2, 32);
  }

  void take(uint64_t value) {
    v3 ^= value;
    round();
    round();
    v0 ^= value;
  }

  uint64_t of(const uint8_t* s, uint64_t length) {
    uint64_t last = length << 56;
    for (; length >= 8; length -= 8, s += 8) take(word(s));
    for (uint64_t i = 0; i < length; ++i) last |= uint64_t{s[i]} << (8 * i);
    take(last);
    v2 ^= 0xFF;
    for (int i = 0; i < 4; ++i) round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

// Where in a Python object its type, its size and its bytes are; and the type that it must have.
struct Layout {
  int64_t type_at, size_at, bytes_at, type;
};

template <typename Hash>
bool hash_all(const char* const* objects, long count, const Layout& layout, uint64_t* out, Hash hash) {
  for (long i = 0; i < count; ++i) {
    if (!objects[i]) return false;
    int64_t type, size;
    std::memcpy(&type, objects[i] + layout.type_at, sizeof type);
    if (type != layout.type) return false;
    std::memcpy(&size, objects[i] + layout.size_at, sizeof size);
    out[i] = hash(reinterpret_cast<const uint8_t*>(objects[i] + layout.bytes_at), static_cast<uint64_t>(size));
  }
  return true;
}

}  // namespace
}  // namespace penstock

// The hash of each of `count` objects; false where one has another type than the layout says, or is not there.
extern "C" bool penstock_fingerprints(const char* const* objects, long count, const penstock::Layout* layout,
                                      uint64_t* out) {
  return penstock::hash_all(objects, count, *layout, out, penstock::fingerprint);
}

// The same with a key of two words.
extern "C" bool penstock_siphashes(const char* const* objects, long count, const penstock::Layout* layout, uint64_t* out,
                                   uint64_t key0, uint64_t key1) {
  const penstock::SipHash begun(key0, key1);
  return penstock::hash_all(objects, count, *layout, out, [&](const uint8_t* s, uint64_t length) {
    penstock::SipHash hash = begun;
    return hash.of(s, length);
  });
}
