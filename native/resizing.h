// Resizing of images whose rows come one after the other, as decoders make them.
#pragma once

#include <cstdint>

namespace penstock {

struct Resizer;  // as `penstock_resizer` makes it

// Gives the rows of an image of uint8, from the first to the last, of which some may be left out. A row stays where it is
// until a row behind the next one is asked for.
class RowReader {
 public:
  virtual const uint8_t* row(long index) = 0;

 protected:
  ~RowReader() = default;
};

// Resizes an image that is not flipped upside down.
void resize_as_read(const Resizer& resizer, RowReader& rows, float* out);

// What a resizer takes, and how many numbers it makes of that.
struct ResizerSizes {
  long height, width, channels, numbers_of_result;
};

ResizerSizes sizes_of(const Resizer& resizer);

}  // namespace penstock
