// Max and average pooling over images [batch, space..., channels], and their gradients.
//
// oneDNN's max pooling remembers where it found each maximum. TensorFlow's gradient op is given input and output
// instead, so these kernels are our own: loops over windows, whose innermost loop runs over neighbouring channels and
// becomes vector instructions. Of equal entries the first in row-major order is the maximum, as in TensorFlow.
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "half.h"
#include "onednn.h"
#include "team.h"
#include "vectorized.h"

namespace penstock {
namespace {

// Fewer elements than this are not worth another thread.
constexpr long kGrain = 1 << 15;

// Up to three spatial dimensions, the missing ones of size 1 in front.
struct Pool {
  long batch, channels;
  long input[3], output[3], size[3], stride[3], pad[3];

  long input_image() const { return input[0] * input[1] * input[2] * channels; }
  // Whether no two windows hold the same element, and whether every element is in one.
  bool disjoint() const {
    return size[0] <= stride[0] && size[1] <= stride[1] && size[2] <= stride[2];
  }
  bool covering() const {
    for (int i = 0; i < 3; ++i)
      if (size[i] < stride[i] || output[i] * stride[i] < input[i] + pad[i]) return false;
    return true;
  }

  long output_image() const { return output[0] * output[1] * output[2] * channels; }

  // How many numbers a row of outputs has.
  long row() const { return output[2] * channels; }

  // How many positions of the window of the output at `at` are inside the image, along one dimension.
  long inside(int dimension, long at) const {
    long start = at * stride[dimension] - pad[dimension];
    return std::min(input[dimension], start + size[dimension]) - std::max(0L, start);
  }

  // How far apart neighbouring outputs have the same element of their windows.
  long step() const { return stride[2] * channels; }

  // For each row of an image's outputs, and each element of the window in row-major order: the outputs whose element
  // is inside the image. Calls begin(row, rows), then element(offset in the input, offset in the output, columns) for
  // each element, then end(row, rows): the offset of the row of outputs, and how many rows of their windows are inside.
  template <typename Begin, typename Element, typename End>
  void for_each_row(const Begin& begin, const Element& element, const End& end) const {
    for (long a = 0; a < output[0]; ++a)
      for (long b = 0; b < output[1]; ++b) {
        long at = (a * output[1] + b) * row(), rows = inside(0, a) * inside(1, b);
        begin(at, rows);
        for (long i = 0; i < size[0]; ++i)
          for (long j = 0; j < size[1]; ++j) {
            long plane = a * stride[0] - pad[0] + i, line = b * stride[1] - pad[1] + j;
            if (plane < 0 || plane >= input[0] || line < 0 || line >= input[1]) continue;
            for (long k = 0; k < size[2]; ++k) {
              long first = first_column(k), last = last_column(k);
              if (first >= last) continue;
              long column = first * stride[2] - pad[2] + k;
              element(((plane * input[1] + line) * input[2] + column) * channels, at + first * channels,
                      last - first);
            }
          }
        end(at, rows);
      }
  }

  // The outputs of a row whose window has its `k`-th column inside the image: from the first to before the last.
  long first_column(long k) const { return k >= pad[2] ? 0 : (pad[2] - k + stride[2] - 1) / stride[2]; }
  long last_column(long k) const {
    long most = input[2] - 1 + pad[2] - k;
    return most < 0 ? 0 : std::min(output[2], most / stride[2] + 1);
  }

  // For each output of a row: how many columns of its window are inside the image.
  std::vector<float> columns_inside() const {
    std::vector<float> counts(output[2]);
    for (long c = 0; c < output[2]; ++c) counts[c] = static_cast<float>(inside(2, c));
    return counts;
  }
};

Pool describe(const ffi::AnyBuffer& x, const ffi::AnyBuffer& y, Numbers size, Numbers strides, Numbers pads) {
  size_t space = size.size();
  auto from = x.dimensions(), to = y.dimensions();
  Pool pool;
  pool.batch = from.front();
  pool.channels = from.back();
  for (size_t i = 0; i < 3; ++i) {
    bool real = i + space >= 3;
    size_t at = real ? i + space - 3 : 0;
    pool.input[i] = real ? from[at + 1] : 1;
    pool.output[i] = real ? to[at + 1] : 1;
    pool.size[i] = real ? size[at] : 1;
    pool.stride[i] = real ? strides[at] : 1;
    pool.pad[i] = real ? pads[at] : 0;
  }
  return pool;
}

// Each of these loops goes over the outputs of a row, for one element of their windows: the output at `y` has it at
// `x`, and the next output has it `step` further. `T` is float or Half; what is summed up is float.

template <typename T>
PENSTOCK_VECTORIZED void take_maximum(const T* __restrict x, long step, T* __restrict y, long columns, long channels) {
  for (long i = 0; i < columns; ++i, x += step, y += channels)
    for (long c = 0; c < channels; ++c) {
      float here = x[c];
      bool larger = (here > y[c]) | (here != here);  // or NaN, which stays
      y[c] = either(larger, x[c], y[c]);
    }
}

// Sends `dy` to where the element is the maximum `y` and none before it was; `open` is 1 until the maximum is found.
// Where windows overlap it is added, otherwise written.
template <bool kOverlap, typename T, typename To>
PENSTOCK_VECTORIZED void send(const T* __restrict x, long step, const T* __restrict y, const T* __restrict dy,
                              To* __restrict dx, float* __restrict open, long columns, long channels) {
  for (long i = 0; i < columns; ++i) {
    for (long c = 0; c < channels; ++c) {
      float here = static_cast<float>(x[c]) == static_cast<float>(y[c]) ? open[c] : 0.0f;
      open[c] -= here;
      float sent = here != 0.0f ? static_cast<float>(dy[c]) : 0.0f;
      dx[c] = To(kOverlap ? dx[c] + sent : sent);
    }
    x += step, dx += step, y += channels, dy += channels, open += channels;
  }
}

template <typename T>
PENSTOCK_VECTORIZED void take_sum(const T* __restrict x, long step, float* __restrict sums, long columns,
                                  long channels) {
  for (long i = 0; i < columns; ++i, x += step, sums += channels)
    for (long c = 0; c < channels; ++c) sums[c] += x[c];
}

PENSTOCK_VECTORIZED void send_to_all(const float* __restrict mean, float* __restrict dx, long step, long columns,
                                     long channels) {
  for (long i = 0; i < columns; ++i, dx += step, mean += channels)
    for (long c = 0; c < channels; ++c) dx[c] += mean[c];
}

// to = from / (columns inside the image * rows), for a row of outputs.
template <typename From, typename To>
PENSTOCK_VECTORIZED void divide(const From* __restrict from, const float* inside, float rows, To* __restrict to,
                                long columns, long channels) {
  for (long i = 0; i < columns; ++i, from += channels, to += channels)
    for (long c = 0; c < channels; ++c) to[c] = To(from[c] / (inside[i] * rows));
}

template <typename T>
T* elements(const ffi::AnyBuffer& array) {
  return static_cast<T*>(array.untyped_data());
}

// An image that is summed up in float32, and written where it belongs at the end.
class SummedImage {
 public:
  SummedImage(float* image, long) : sums_(image) {}
  SummedImage(Half* image, long size) : image_(image), own_(size), sums_(own_.data()) {}

  float* sums() { return sums_; }
  void write() const {
    if (image_ != nullptr) narrow(sums_, image_, own_.size());
  }

 private:
  Half* image_ = nullptr;
  std::vector<float> own_;
  float* sums_;
};

// Calls body(index of the image) for all images of the batch.
template <typename Body>
void for_each_image(const Pool& pool, const Body& body) {
  long grain = std::max(1L, kGrain / std::max(1L, pool.input_image()));
  parallel_chunks(pool.batch, grain, [&](long first, long last) {
    for (long image = first; image < last; ++image) body(image);
  });
}

template <typename T>
void max_pool_of(const Pool& pool, const T* x, T* y) {
  for_each_image(pool, [&](long image) {
    const T* from = x + image * pool.input_image();
    T* to = y + image * pool.output_image();
    pool.for_each_row(
        [&](long row, long) { std::fill_n(to + row, pool.row(), T(-std::numeric_limits<float>::infinity())); },
        [&](long in, long out, long columns) {
          take_maximum(from + in, pool.step(), to + out, columns, pool.channels);
        },
        [](long, long) {});
  });
}

// Sends what the outputs of one image get to the places of their maxima, in `to`.
template <bool kOverlap, typename T, typename To>
void send_image(const Pool& pool, const T* x, const T* y, const T* dy, To* to, bool relu) {
  std::vector<float> open(pool.row());
  pool.for_each_row(
      [&](long row, long) {
        for (long i = 0; i < pool.row(); ++i) open[i] = relu && !(y[row + i] > 0) ? 0.0f : 1.0f;
      },
      [&](long in, long out, long columns) {
        send<kOverlap>(x + in, pool.step(), y + out, dy + out, to + in, open.data() + out % pool.row(), columns,
                       pool.channels);
      },
      [](long, long) {});
}

using Lanes = float __attribute__((vector_size(64), aligned(4), may_alias));
constexpr long kLanes = 16;

// The same in one pass, for windows that divide the image and lie inside of it, and a multiple of 16 channels: all of a window
// at once, past the caches. `to` may be `x`: what is read is written over afterwards.
PENSTOCK_WIDE void send_windows(const Pool& pool, const float* x, const float* y, const float* dy, float* to, bool relu) {
  const long channels = pool.channels, line = pool.input[2] * channels, plane = pool.input[1] * line;
  for (long a = 0; a < pool.output[0]; ++a)
    for (long b = 0; b < pool.output[1]; ++b)
      for (long j = 0; j < pool.output[2]; ++j, y += channels, dy += channels) {
        const long corner = a * pool.size[0] * plane + b * pool.size[1] * line + j * pool.size[2] * channels;
        for (long c = 0; c < channels; c += kLanes) {
          const Lanes most = *reinterpret_cast<const Lanes*>(y + c);
          Lanes rest = *reinterpret_cast<const Lanes*>(dy + c);
          if (relu) rest = most > 0.0f ? rest : Lanes{};
          for (long i = 0; i < pool.size[0]; ++i)
            for (long k = 0; k < pool.size[1]; ++k)
              for (long l = 0; l < pool.size[2]; ++l) {
                const long at = corner + i * plane + k * line + l * channels + c;
                const auto found = *reinterpret_cast<const Lanes*>(x + at) == most;
                _mm512_stream_ps(to + at, found ? rest : Lanes{});
                rest = found ? Lanes{} : rest;
              }
        }
      }
  _mm_sfence();  // other threads see the numbers in order
}

bool can_send_windows(const Pool& pool, const float* to) {
  static const bool wide = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core;
  if (!wide || pool.channels % kLanes != 0 || reinterpret_cast<uintptr_t>(to) % sizeof(Lanes) != 0) return false;
  for (int i = 0; i < 3; ++i)
    if (pool.size[i] != pool.stride[i] || pool.pad[i] != 0 || pool.output[i] * pool.size[i] != pool.input[i]) return false;
  return true;
}

template <typename T>
void max_pool_gradient_of(const Pool& pool, const T* x, const T* y, const T* dy, T* dx, bool relu) {
  bool whole = false;
  if constexpr (std::is_same_v<T, float>) whole = can_send_windows(pool, dx);
  for_each_image(pool, [&](long image) {
    long in = image * pool.input_image(), out = image * pool.output_image();
    if constexpr (std::is_same_v<T, float>)
      if (whole) return send_windows(pool, x + in, y + out, dy + out, dx + in, relu);
    if (pool.disjoint()) {
      if (!pool.covering()) std::memset(dx + in, 0, pool.input_image() * sizeof(T));
      return send_image<false>(pool, x + in, y + out, dy + out, dx + in, relu);
    }
    SummedImage sums(dx + in, pool.input_image());
    std::memset(sums.sums(), 0, pool.input_image() * sizeof(float));
    send_image<true>(pool, x + in, y + out, dy + out, sums.sums(), relu);
    sums.write();
  });
}

template <typename T>
void average_pool_of(const Pool& pool, const T* x, T* y) {
  std::vector<float> inside = pool.columns_inside();
  for_each_image(pool, [&](long image) {
    const T* from = x + image * pool.input_image();
    T* to = y + image * pool.output_image();
    std::vector<float> sums(pool.row());
    pool.for_each_row([&](long, long) { std::fill(sums.begin(), sums.end(), 0.0f); },
                      [&](long in, long out, long columns) {
                        take_sum(from + in, pool.step(), sums.data() + out % pool.row(), columns, pool.channels);
                      },
                      [&](long row, long rows) {
                        divide(sums.data(), inside.data(), rows, to + row, pool.output[2], pool.channels);
                      });
  });
}

template <typename T>
void average_pool_gradient_of(const Pool& pool, const T* dy, T* dx) {
  std::vector<float> inside = pool.columns_inside();
  for_each_image(pool, [&](long image) {
    const T* from = dy + image * pool.output_image();
    SummedImage to(dx + image * pool.input_image(), pool.input_image());
    std::memset(to.sums(), 0, pool.input_image() * sizeof(float));
    std::vector<float> mean(pool.row());
    pool.for_each_row(
        [&](long row, long rows) {
          divide(from + row, inside.data(), rows, mean.data(), pool.output[2], pool.channels);
        },
        [&](long in, long out, long columns) {
          send_to_all(mean.data() + out % pool.row(), to.sums() + in, pool.step(), columns, pool.channels);
        },
        [](long, long) {});
    to.write();
  });
}

// Calls body(null pointer to the type of the array's elements).
template <typename Body>
void with_type(const ffi::AnyBuffer& array, const Body& body) {
  if (array.element_type() == ffi::DataType::BF16) return body(static_cast<Half*>(nullptr));
  body(static_cast<float*>(nullptr));
}

ffi::Error max_pool(ffi::AnyBuffer x, ffi::Result<ffi::AnyBuffer> y, Numbers size, Numbers strides, Numbers pads) {
  return guarded("max_pool", [&] {
    Pool pool = describe(x, *y, size, strides, pads);
    with_type(x, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      max_pool_of(pool, elements<T>(x), elements<T>(*y));
    });
  });
}

ffi::Error max_pool_gradient(ffi::AnyBuffer x, ffi::AnyBuffer y, ffi::AnyBuffer dy, ffi::Result<ffi::AnyBuffer> dx,
                             Numbers size, Numbers strides, Numbers pads, bool relu) {
  return guarded("max_pool_gradient", [&] {
    Pool pool = describe(x, y, size, strides, pads);
    with_type(x, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      max_pool_gradient_of(pool, elements<T>(x), elements<T>(y), elements<T>(dy), elements<T>(*dx), relu);
    });
  });
}

ffi::Error average_pool(ffi::AnyBuffer x, ffi::Result<ffi::AnyBuffer> y, Numbers size, Numbers strides, Numbers pads) {
  return guarded("average_pool", [&] {
    Pool pool = describe(x, *y, size, strides, pads);
    with_type(x, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      average_pool_of(pool, elements<T>(x), elements<T>(*y));
    });
  });
}

ffi::Error average_pool_gradient(ffi::AnyBuffer dy, ffi::Result<ffi::AnyBuffer> dx, Numbers size, Numbers strides,
                                 Numbers pads) {
  return guarded("average_pool_gradient", [&] {
    Pool pool = describe(*dx, dy, size, strides, pads);
    with_type(dy, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      average_pool_gradient_of(pool, elements<T>(dy), elements<T>(*dx));
    });
  });
}

}  // namespace

#define PENSTOCK_WINDOWS Attr<Numbers>("size").Attr<Numbers>("strides").Attr<Numbers>("pads")

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_max_pool, max_pool,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>().PENSTOCK_WINDOWS);
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_max_pool_gradient, max_pool_gradient,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .PENSTOCK_WINDOWS.Attr<bool>("relu"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_average_pool, average_pool,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>().PENSTOCK_WINDOWS);
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_average_pool_gradient, average_pool_gradient,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>().PENSTOCK_WINDOWS);

}  // namespace penstock
