// Looks through a JPEG without decoding it, for input pipelines that want to know whether decoding can fail.
//
// libjpeg ends with an error where a header or a table is wrong, and where the data ends too early; what is wrong
// among the coefficients gives wrong pixels. So a baseline JPEG with good headers that is all there can be decoded.
#include <algorithm>
#include <cstdint>

#include "vectorized.h"

namespace penstock {
namespace {

constexpr uint8_t kStart = 0xD8, kEnd = 0xD9, kScan = 0xDA, kBaseline = 0xC0, kHuffman = 0xC4, kQuantization = 0xDB,
                  kRestartInterval = 0xDD, kFirstRestart = 0xD0, kFirstApplication = 0xE0,
                  kLastApplication = 0xEF, kComment = 0xFE;
constexpr long kBlock = 1024;  // bytes
constexpr int kTables = 4, kMostComponents = 3;
constexpr long kLargestSide = 65500;      // libjpeg's
constexpr long kMostPixels = 1L << 26;  // a larger image may be more than there is memory for

// Whether two bytes are a marker that is neither a restart nor a byte of coefficients.
PENSTOCK_INLINE inline bool is_marker(uint8_t first, uint8_t second) {
  return (first == 0xFF) & (second != 0) & (second != 0xFF) & ((second & 0xF8) != kFirstRestart);
}

// Whether one of the bytes begins such a marker. The byte behind the last one is looked at too.
PENSTOCK_VECTORIZED
bool has_marker(const uint8_t* data, long size) {
  uint8_t found = 0;
  for (long i = 0; i < size; ++i) found |= is_marker(data[i], data[i + 1]);
  return found;
}

long word(const uint8_t* at) { return at[0] << 8 | at[1]; }

// One after the other, the segments of a JPEG; every function says whether a segment is as it should be.
class Structure {
 public:
  Structure(const uint8_t* data, long size) : data_(data), size_(size) {}

  bool whole() { return read_to(kScan) && coefficients(); }

  // The height and width that the frame says; false where there is no good one.
  bool size(int64_t* sides) {
    if (!read_to(kBaseline)) return false;
    sides[0] = height_;
    sides[1] = width_;
    return true;
  }

 private:
  struct Component {
    uint8_t name, quantization;
  };

  // Reads segments up to the first with that marker.
  bool read_to(uint8_t wanted) {
    if (size_ < 4 || data_[0] != 0xFF || data_[1] != kStart) return false;
    at_ = 2;
    while (at_ + 4 <= size_ && data_[at_] == 0xFF) {
      const uint8_t marker = data_[at_ + 1];
      const long length = word(data_ + at_ + 2);
      const uint8_t *from = data_ + at_ + 4, *to = data_ + at_ + 2 + length;
      if (length < 2 || at_ + 2 + length > size_ || !segment(marker, from, to)) return false;
      at_ += 2 + length;
      if (marker == wanted) return true;
    }
    return false;
  }

  bool segment(uint8_t marker, const uint8_t* from, const uint8_t* to) {
    switch (marker) {
      case kBaseline: return frame(from, to);
      case kScan: return scan(from, to);
      case kHuffman: return huffman_tables(from, to);
      case kQuantization: return quantization_tables(from, to);
      case kRestartInterval: return to - from == 2;
      case kComment: return true;
      default: return marker >= kFirstApplication && marker <= kLastApplication;
    }
  }

  // Gray, or three colours of which the first has as many or twice as many columns, and then perhaps rows.
  bool frame(const uint8_t* from, const uint8_t* to) {
    if (components_ || to - from < 6 || from[0] != 8) return false;
    const long count = from[5];
    height_ = word(from + 1), width_ = word(from + 3);
    if (std::min(height_, width_) < 1 || std::max(height_, width_) > kLargestSide || height_ * width_ > kMostPixels)
      return false;
    if ((count != 1 && count != kMostComponents) || to - from != 6 + 3 * count) return false;
    components_ = count;
    for (long i = 0; i < count; ++i) {
      const uint8_t* each = from + 6 + 3 * i;
      const int across = each[1] >> 4, down = each[1] & 15;
      component_[i] = {each[0], each[2]};
      if (down < 1 || across < down || across > (i ? 1 : 2) || each[2] >= kTables) return false;
      for (long k = 0; k < i; ++k)
        if (component_[k].name == each[0]) return false;
    }
    return true;
  }

  bool quantization_tables(const uint8_t* from, const uint8_t* to) {
    while (from < to) {
      const int wide = *from >> 4, table = *from & 15;
      if (wide > 1 || table >= kTables || to - from < 1 + 64 * (1 + wide)) return false;
      has_quantization_[table] = true;
      from += 1 + 64 * (1 + wide);
    }
    return true;
  }

  bool huffman_tables(const uint8_t* from, const uint8_t* to) {
    while (from < to) {
      const int alternating = *from >> 4, table = *from & 15;
      if (alternating > 1 || table >= kTables || to - from < 17) return false;
      long count = 0, code = 0;
      for (int length = 1; length <= 16; ++length) {  // codes of a length follow those of the length before
        count += from[length];
        code = 2 * code + from[length];
        if (code >= (1L << length)) return false;
      }
      const uint8_t* symbols = from + 17;
      if (count > 256 || to - symbols < count) return false;
      if (!alternating && std::any_of(symbols, symbols + count, [](uint8_t each) { return each > 15; })) return false;
      has_huffman_[alternating][table] = true;
      from = symbols + count;
    }
    return true;
  }

  // One scan with all components, in the order of the frame, whose tables have been there.
  bool scan(const uint8_t* from, const uint8_t* to) const {
    if (!components_ || to - from != 4 + 2 * components_ || from[0] != components_) return false;
    for (long i = 0; i < components_; ++i) {
      const int direct = from[2 + 2 * i] >> 4, alternating = from[2 + 2 * i] & 15;
      if (from[1 + 2 * i] != component_[i].name || direct >= kTables || alternating >= kTables) return false;
      if (!has_quantization_[component_[i].quantization] || !has_huffman_[0][direct] || !has_huffman_[1][alternating])
        return false;
    }
    const uint8_t* rest = to - 3;
    return rest[0] == 0 && rest[1] == 63 && rest[2] == 0;
  }

  // Nothing but coefficients and restarts up to the end marker, which is the first other one.
  bool coefficients() const {
    for (long block = at_; block + 1 < size_; block += kBlock) {
      const long end = std::min(block + kBlock, size_ - 1);
      if (!has_marker(data_ + block, end - block)) continue;
      for (long i = block; i < end; ++i)
        if (is_marker(data_[i], data_[i + 1])) return data_[i + 1] == kEnd;
    }
    return false;
  }

  const uint8_t* data_;
  long size_, at_ = 0, components_ = 0, height_ = 0, width_ = 0;
  Component component_[kMostComponents];
  bool has_quantization_[kTables] = {}, has_huffman_[2][kTables] = {};
};

}  // namespace
}  // namespace penstock

// The height and width of each of `count` baseline JPEGs; 0 where there is no good header, or no JPEG at all.
extern "C" void penstock_jpeg_sizes(const uint8_t* const* data, const int64_t* sizes, long count, int64_t* sides) {
  for (long i = 0; i < count; ++i, sides += 2)
    if (!data[i] || !penstock::Structure(data[i], sizes[i]).size(sides)) sides[0] = sides[1] = 0;
}

// For each of `count` texts whether it is a baseline JPEG, gray or in colours, that is all there and has good headers.
extern "C" void penstock_are_whole_jpegs(const uint8_t* const* data, const int64_t* sizes, long count, bool* whole) {
  for (long i = 0; i < count; ++i) whole[i] = penstock::Structure(data[i], sizes[i]).whole();
}
