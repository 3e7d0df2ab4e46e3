// The recurrent part of LSTM and GRU over a whole sequence, forward and backward.
//
// What does not depend on the step before (inputs times kernel, gradients of kernels) is one large product for all steps,
// which XLA computes. What is left is, for each step, a small product with the recurrent kernel and the gates. Rows of a
// batch never meet, so each thread takes some rows through all steps without waiting for another. The recurrent kernel is
// packed once into panels of 16 columns, which stay in the cache.
//
// Gates lie side by side in a row: input, forget, candidate, output (LSTM); update, reset, candidate (GRU, with the reset
// gate applied after the product, as Keras does by default).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "elementary.h"
#include "onednn.h"
#include "packed.h"
#include "rows.h"
#include "team.h"
#include "vectorized.h"

namespace penstock {
namespace {

constexpr long kBlock = 8;  // rows that a thread takes at once

PENSTOCK_VECTORIZED void sigmoids(float* x, long count) {
#pragma GCC ivdep
  for (long i = 0; i < count; ++i) x[i] = sigmoid(x[i]);
}

PENSTOCK_VECTORIZED void hyperbolic_tangents(float* x, long count) {
#pragma GCC ivdep
  for (long i = 0; i < count; ++i) x[i] = hyperbolic_tangent(x[i]);
}

PENSTOCK_VECTORIZED void lstm_states(const float* gates, const float* c_before, float* c, float* h, long units) {
  const float *in = gates, *forget = gates + units, *candidate = gates + 2 * units, *out = gates + 3 * units;
#pragma GCC ivdep
  for (long u = 0; u < units; ++u) {
    float carried = forget[u] * c_before[u] + in[u] * candidate[u];
    c[u] = carried;
    h[u] = out[u] * hyperbolic_tangent(carried);
  }
}

// One row of one step. `gates` holds the sums that go into the gates, and then the gates. Each function in a loop of its
// own: what is left of a loop's last vector is done one by one, and so little that way.
void lstm_row(float* gates, const float* c_before, float* c, float* h, long units) {
  sigmoids(gates, 2 * units);
  hyperbolic_tangents(gates + 2 * units, units);
  sigmoids(gates + 3 * units, units);
  lstm_states(gates, c_before, c, h, units);
}

// `dh` and `dc` are the gradients of this step's state; `dc` becomes that of the state before.
PENSTOCK_VECTORIZED void lstm_gradient_row(const float* gates, const float* c_before, const float* c, const float* dh,
                                           float* dc, float* dsums, long units) {
  const float *in = gates, *forget = gates + units, *candidate = gates + 2 * units, *out = gates + 3 * units;
#pragma GCC ivdep
  for (long u = 0; u < units; ++u) {
    float i = in[u], f = forget[u], g = candidate[u], o = out[u], t = hyperbolic_tangent(c[u]);
    float carried = dc[u] + dh[u] * o * (1 - t * t);
    dsums[u] = carried * g * i * (1 - i);
    dsums[u + units] = carried * c_before[u] * f * (1 - f);
    dsums[u + 2 * units] = carried * i * (1 - g * g);
    dsums[u + 3 * units] = dh[u] * t * o * (1 - o);
    dc[u] = carried * f;
  }
}

// `sums` are those of the inputs; `recurrent` those of the state. `gates` gets update, reset, candidate, and the part of
// the candidate's sum that the reset gate multiplies.
PENSTOCK_VECTORIZED void gru_row(const float* sums, const float* recurrent, const float* h_before, float* gates, float* h,
                                 long units) {
#pragma GCC ivdep
  for (long u = 0; u < units; ++u) {
    float z = sigmoid(sums[u] + recurrent[u]), r = sigmoid(sums[u + units] + recurrent[u + units]);
    float inner = recurrent[u + 2 * units];
    float candidate = hyperbolic_tangent(sums[u + 2 * units] + r * inner);
    gates[u] = z, gates[u + units] = r, gates[u + 2 * units] = candidate, gates[u + 3 * units] = inner;
    h[u] = z * h_before[u] + (1 - z) * candidate;
  }
}

// `dh` becomes what goes to the state before directly; `drecurrent` is what goes through the recurrent product.
PENSTOCK_VECTORIZED void gru_gradient_row(const float* gates, const float* h_before, float* dh, float* dsums,
                                          float* drecurrent, long units) {
#pragma GCC ivdep
  for (long u = 0; u < units; ++u) {
    float z = gates[u], r = gates[u + units], candidate = gates[u + 2 * units], inner = gates[u + 3 * units];
    float dz = dh[u] * (h_before[u] - candidate) * z * (1 - z);
    float dcandidate = dh[u] * (1 - z) * (1 - candidate * candidate);
    float dr = dcandidate * inner * r * (1 - r);
    dsums[u] = drecurrent[u] = dz;
    dsums[u + units] = drecurrent[u + units] = dr;
    dsums[u + 2 * units] = dcandidate;
    drecurrent[u + 2 * units] = dcandidate * r;
    dh[u] *= z;
  }
}

PENSTOCK_VECTORIZED void add_row(const float* row, float* sums, long count) {
  for (long i = 0; i < count; ++i) sums[i] += row[i];
}

float* floats(const ffi::AnyBuffer& array) { return static_cast<float*>(array.untyped_data()); }

// Calls body(first row, how many) for parts of the batch.
template <typename Body>
void for_blocks(long batch, const Body& body) {
  parallel_for((batch + kBlock - 1) / kBlock, 1, [&](long first, long last) {
    body(first * kBlock, std::min(batch, last * kBlock) - first * kBlock);
  });
}

struct Sizes {
  long steps, batch, units;

  Sizes(const ffi::AnyBuffer& sequence, const ffi::AnyBuffer& state)
      : steps(sequence.dimensions()[0]), batch(state.dimensions()[0]), units(state.dimensions()[1]) {}

  // Multiplications and additions of the recurrent product.
  double work(long gates) const { return 2.0 * steps * batch * units * units * gates; }
};

// sums [steps, batch, 4 units], h0 and c0 [batch, units], kernel [units, 4 units], bias [4 units]
// -> h, c [steps, batch, units], gates [steps, batch, 4 units]
ffi::Error lstm(ffi::AnyBuffer sums, ffi::AnyBuffer h0, ffi::AnyBuffer c0, ffi::AnyBuffer kernel, ffi::AnyBuffer bias,
                ffi::Result<ffi::AnyBuffer> h, ffi::Result<ffi::AnyBuffer> c, ffi::Result<ffi::AnyBuffer> gates) {
  return guarded("lstm", [&] {
    Sizes sizes(sums, h0);
    long units = sizes.units, state = sizes.batch * units;
    Turn turn(sizes.work(4));
    Packed packed(floats(kernel), units, 4 * units, 4 * units, 1);
    for_blocks(sizes.batch, [&](long first, long rows) {
      for (long t = 0; t < sizes.steps; ++t) {
        long at = t * state + first * units;
        const float* h_before = t == 0 ? floats(h0) + first * units : floats(*h) + at - state;
        const float* c_before = t == 0 ? floats(c0) + first * units : floats(*c) + at - state;
        float* now = floats(*gates) + 4 * at;
        std::memcpy(now, floats(sums) + 4 * at, rows * 4 * units * sizeof(float));
        multiply({h_before, rows, units}, packed, now, 4 * units, {true, floats(bias)});
        for (long row = 0; row < rows; ++row)
          lstm_row(now + row * 4 * units, c_before + row * units, floats(*c) + at + row * units,
                   floats(*h) + at + row * units, units);
      }
    });
  });
}

// gates, c as `lstm` gave them; c0, kernel as it got them; dh [steps, batch, units] for the outputs, dc [batch, units] for
// the last state -> dsums [steps, batch, 4 units], dh0, dc0 [batch, units], dbias [4 units]
ffi::Error lstm_gradient(ffi::AnyBuffer gates, ffi::AnyBuffer c, ffi::AnyBuffer c0, ffi::AnyBuffer kernel,
                         ffi::AnyBuffer dh, ffi::AnyBuffer dc, ffi::Result<ffi::AnyBuffer> dsums,
                         ffi::Result<ffi::AnyBuffer> dh0, ffi::Result<ffi::AnyBuffer> dc0,
                         ffi::Result<ffi::AnyBuffer> dbias) {
  return guarded("lstm_gradient", [&] {
    Sizes sizes(gates, c0);
    long units = sizes.units, state = sizes.batch * units;
    Turn turn(sizes.work(4));
    Packed packed(floats(kernel), 4 * units, units, 1, 4 * units);
    ColumnSums bias_sums(4 * units);
    for_blocks(sizes.batch, [&](long first, long rows) {
      float* state_h = floats(*dh0) + first * units;
      float* state_c = floats(*dc0) + first * units;
      std::memset(state_h, 0, rows * units * sizeof(float));
      std::memcpy(state_c, floats(dc) + first * units, rows * units * sizeof(float));
      for (long t = sizes.steps - 1; t >= 0; --t) {
        long at = t * state + first * units;
        const float* c_before = t == 0 ? floats(c0) + first * units : floats(c) + at - state;
        const float* from_output = floats(dh) + at;
        for (long i = 0; i < rows * units; ++i) state_h[i] += from_output[i];
        float* now = floats(*dsums) + 4 * at;
        for (long row = 0; row < rows; ++row)
          lstm_gradient_row(floats(gates) + 4 * (at + row * units), c_before + row * units, floats(c) + at + row * units,
                            state_h + row * units, state_c + row * units, now + row * 4 * units, units);
        for (long row = 0; row < rows; ++row) add_row(now + row * 4 * units, bias_sums.mine(), 4 * units);
        multiply({now, rows, 4 * units}, packed, state_h, units, {false});
      }
    });
    bias_sums.write(floats(*dbias));
  });
}

// sums [steps, batch, 3 units], h0 [batch, units], kernel [units, 3 units], bias [3 units] of the recurrent product
// -> h [steps, batch, units], gates [steps, batch, 4 units]
ffi::Error gru(ffi::AnyBuffer sums, ffi::AnyBuffer h0, ffi::AnyBuffer kernel, ffi::AnyBuffer bias,
               ffi::Result<ffi::AnyBuffer> h, ffi::Result<ffi::AnyBuffer> gates) {
  return guarded("gru", [&] {
    Sizes sizes(sums, h0);
    long units = sizes.units, state = sizes.batch * units;
    Turn turn(sizes.work(3));
    Packed packed(floats(kernel), units, 3 * units, 3 * units, 1);
    for_blocks(sizes.batch, [&](long first, long rows) {
      std::vector<float> recurrent(rows * 3 * units);
      for (long t = 0; t < sizes.steps; ++t) {
        long at = t * state + first * units;
        const float* h_before = t == 0 ? floats(h0) + first * units : floats(*h) + at - state;
        for (long row = 0; row < rows; ++row)
          std::memcpy(recurrent.data() + row * 3 * units, floats(bias), 3 * units * sizeof(float));
        multiply({h_before, rows, units}, packed, recurrent.data(), 3 * units);
        for (long row = 0; row < rows; ++row)
          gru_row(floats(sums) + 3 * (at + row * units), recurrent.data() + row * 3 * units, h_before + row * units,
                  floats(*gates) + 4 * (at + row * units), floats(*h) + at + row * units, units);
      }
    });
  });
}

// gates, h as `gru` gave them; h0, kernel as it got them; dh [steps, batch, units] for the outputs
// -> dsums, drecurrent [steps, batch, 3 units], dh0 [batch, units]
ffi::Error gru_gradient(ffi::AnyBuffer gates, ffi::AnyBuffer h, ffi::AnyBuffer h0, ffi::AnyBuffer kernel,
                        ffi::AnyBuffer dh, ffi::Result<ffi::AnyBuffer> dsums, ffi::Result<ffi::AnyBuffer> drecurrent,
                        ffi::Result<ffi::AnyBuffer> dh0) {
  return guarded("gru_gradient", [&] {
    Sizes sizes(gates, h0);
    long units = sizes.units, state = sizes.batch * units;
    Turn turn(sizes.work(3));
    Packed packed(floats(kernel), 3 * units, units, 1, 3 * units);
    for_blocks(sizes.batch, [&](long first, long rows) {
      float* state_h = floats(*dh0) + first * units;
      std::memset(state_h, 0, rows * units * sizeof(float));
      for (long t = sizes.steps - 1; t >= 0; --t) {
        long at = t * state + first * units;
        const float* h_before = t == 0 ? floats(h0) + first * units : floats(h) + at - state;
        const float* from_output = floats(dh) + at;
        for (long i = 0; i < rows * units; ++i) state_h[i] += from_output[i];
        for (long row = 0; row < rows; ++row)
          gru_gradient_row(floats(gates) + 4 * (at + row * units), h_before + row * units, state_h + row * units,
                           floats(*dsums) + 3 * (at + row * units), floats(*drecurrent) + 3 * (at + row * units), units);
        multiply({floats(*drecurrent) + 3 * at, rows, 3 * units}, packed, state_h, units);
      }
    });
  });
}

}  // namespace

#define PENSTOCK_ARRAY Arg<ffi::AnyBuffer>()
#define PENSTOCK_RESULT Ret<ffi::AnyBuffer>()

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_lstm, lstm,
                              ffi::Ffi::Bind().PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_ARRAY
                                  .PENSTOCK_ARRAY.PENSTOCK_RESULT.PENSTOCK_RESULT.PENSTOCK_RESULT);
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_lstm_gradient, lstm_gradient,
                              ffi::Ffi::Bind().PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_ARRAY
                                  .PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_RESULT.PENSTOCK_RESULT.PENSTOCK_RESULT
                                  .PENSTOCK_RESULT);
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_gru, gru,
                              ffi::Ffi::Bind().PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_ARRAY
                                  .PENSTOCK_RESULT.PENSTOCK_RESULT);
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_gru_gradient, gru_gradient,
                              ffi::Ffi::Bind().PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_ARRAY.PENSTOCK_ARRAY
                                  .PENSTOCK_ARRAY.PENSTOCK_RESULT.PENSTOCK_RESULT.PENSTOCK_RESULT);

}  // namespace penstock
