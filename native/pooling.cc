// Max and average pooling over images [batch, space..., channels], and their gradients.
//
// oneDNN's max pooling remembers where it found each maximum. TensorFlow's gradient op is given input and output
// instead, so these kernels are our own: loops over windows, whose innermost loop runs over neighbouring channels and
// becomes vector instructions. Of equal entries the first in row-major order is the maximum, as in TensorFlow.
#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "onednn.h"
#include "team.h"

// The compiler makes the loops once for each of these, and the dynamic linker picks what the machine has.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define PENSTOCK_VECTORIZED __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define PENSTOCK_VECTORIZED
#endif

namespace penstock {
namespace {

// Fewer elements than this are not worth another thread.
constexpr long kGrain = 1 << 15;

// Up to three spatial dimensions, the missing ones of size 1 in front.
struct Pool {
  long batch, channels;
  long input[3], output[3], size[3], stride[3], pad[3];

  long input_image() const { return input[0] * input[1] * input[2] * channels; }
  long output_image() const { return output[0] * output[1] * output[2] * channels; }

  // Calls body(offset of the output, offsets of the elements of its window) for each output position of an image.
  template <typename Body>
  void for_each_window(const Body& body) const {
    std::vector<long> elements(size[0] * size[1] * size[2]);
    for (long a = 0; a < output[0]; ++a)
      for (long b = 0; b < output[1]; ++b)
        for (long c = 0; c < output[2]; ++c) {
          long count = 0, at[3] = {a, b, c}, first[3], last[3];
          for (int i = 0; i < 3; ++i) {
            long start = at[i] * stride[i] - pad[i];
            first[i] = std::max(0L, start);
            last[i] = std::min(input[i], start + size[i]);
          }
          for (long i = first[0]; i < last[0]; ++i)
            for (long j = first[1]; j < last[1]; ++j)
              for (long k = first[2]; k < last[2]; ++k)
                elements[count++] = ((i * input[1] + j) * input[2] + k) * channels;
          body(((a * output[1] + b) * output[2] + c) * channels, elements.data(), count);
        }
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

PENSTOCK_VECTORIZED void max_of_window(const float* __restrict x, float* __restrict y, const long* elements, long count,
                                       long channels) {
  for (long c = 0; c < channels; ++c) y[c] = -std::numeric_limits<float>::infinity();
  for (long e = 0; e < count; ++e) {
    const float* __restrict each = x + elements[e];
    for (long c = 0; c < channels; ++c) y[c] = (each[c] > y[c] || each[c] != each[c]) ? each[c] : y[c];
  }
}

// `found` is 0 where no element of this window was the maximum yet.
PENSTOCK_VECTORIZED void spread_to_maximum(const float* __restrict x, const float* __restrict y,
                                           const float* __restrict dy, float* __restrict dx, int* __restrict found,
                                           const long* elements, long count, long channels) {
  for (long c = 0; c < channels; ++c) found[c] = 0;
  for (long e = 0; e < count; ++e) {
    const float* __restrict each = x + elements[e];
    float* __restrict to = dx + elements[e];
    for (long c = 0; c < channels; ++c) {
      int here = (each[c] == y[c]) & (found[c] == 0);
      to[c] += here ? dy[c] : 0.0f;
      found[c] |= here;
    }
  }
}

PENSTOCK_VECTORIZED void mean_of_window(const float* __restrict x, float* __restrict y, const long* elements, long count,
                                        long channels) {
  for (long c = 0; c < channels; ++c) y[c] = 0;
  for (long e = 0; e < count; ++e) {
    const float* __restrict each = x + elements[e];
    for (long c = 0; c < channels; ++c) y[c] += each[c];
  }
  for (long c = 0; c < channels; ++c) y[c] /= static_cast<float>(count);
}

PENSTOCK_VECTORIZED void spread_to_all(const float* __restrict dy, float* __restrict dx, const long* elements, long count,
                                       long channels) {
  for (long e = 0; e < count; ++e) {
    float* __restrict to = dx + elements[e];
    for (long c = 0; c < channels; ++c) to[c] += dy[c] / static_cast<float>(count);
  }
}

float* floats(const ffi::AnyBuffer& array) { return static_cast<float*>(array.untyped_data()); }

// Calls body(index of the image) for all images of the batch.
template <typename Body>
void for_each_image(const Pool& pool, const Body& body) {
  long grain = std::max(1L, kGrain / std::max(1L, pool.input_image()));
  parallel_for(pool.batch, grain, [&](long first, long last) {
    for (long image = first; image < last; ++image) body(image);
  });
}

ffi::Error max_pool(ffi::AnyBuffer x, ffi::Result<ffi::AnyBuffer> y, Numbers size, Numbers strides, Numbers pads) {
  return guarded("max_pool", [&] {
    Pool pool = describe(x, *y, size, strides, pads);
    Turn turn;
    for_each_image(pool, [&](long image) {
      const float* from = floats(x) + image * pool.input_image();
      float* to = floats(*y) + image * pool.output_image();
      pool.for_each_window([&](long at, const long* elements, long count) {
        max_of_window(from, to + at, elements, count, pool.channels);
      });
    });
  });
}

ffi::Error max_pool_gradient(ffi::AnyBuffer x, ffi::AnyBuffer y, ffi::AnyBuffer dy, ffi::Result<ffi::AnyBuffer> dx,
                             Numbers size, Numbers strides, Numbers pads) {
  return guarded("max_pool_gradient", [&] {
    Pool pool = describe(x, y, size, strides, pads);
    Turn turn;
    for_each_image(pool, [&](long image) {
      long in = image * pool.input_image(), out = image * pool.output_image();
      std::memset(floats(*dx) + in, 0, pool.input_image() * sizeof(float));
      std::vector<int> found(pool.channels);
      pool.for_each_window([&](long at, const long* elements, long count) {
        spread_to_maximum(floats(x) + in, floats(y) + out + at, floats(dy) + out + at, floats(*dx) + in, found.data(),
                          elements, count, pool.channels);
      });
    });
  });
}

ffi::Error average_pool(ffi::AnyBuffer x, ffi::Result<ffi::AnyBuffer> y, Numbers size, Numbers strides, Numbers pads) {
  return guarded("average_pool", [&] {
    Pool pool = describe(x, *y, size, strides, pads);
    Turn turn;
    for_each_image(pool, [&](long image) {
      const float* from = floats(x) + image * pool.input_image();
      float* to = floats(*y) + image * pool.output_image();
      pool.for_each_window([&](long at, const long* elements, long count) {
        mean_of_window(from, to + at, elements, count, pool.channels);
      });
    });
  });
}

ffi::Error average_pool_gradient(ffi::AnyBuffer dy, ffi::Result<ffi::AnyBuffer> dx, Numbers size, Numbers strides,
                                 Numbers pads) {
  return guarded("average_pool_gradient", [&] {
    Pool pool = describe(*dx, dy, size, strides, pads);
    Turn turn;
    for_each_image(pool, [&](long image) {
      float* to = floats(*dx) + image * pool.input_image();
      const float* from = floats(dy) + image * pool.output_image();
      std::memset(to, 0, pool.input_image() * sizeof(float));
      pool.for_each_window([&](long at, const long* elements, long count) {
        spread_to_all(from + at, to, elements, count, pool.channels);
      });
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
                                  .PENSTOCK_WINDOWS);
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_average_pool, average_pool,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>().PENSTOCK_WINDOWS);
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_average_pool_gradient, average_pool_gradient,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>().PENSTOCK_WINDOWS);

}  // namespace penstock
