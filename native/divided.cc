// Products with a matrix [rows, columns] of which each of several devices has some rows, and a batch of which each has some rows
// too. Written without exchanges: who computes sees the arrays of all devices (`meeting.h`). The sum of the batch's
// products with the parts is computed once for all, as one device would compute it.
#include <algorithm>
#include <vector>

#include "adam.h"
#include "gathered.h"
#include "meeting.h"
#include "onednn.h"
#include "packed.h"
#include "team.h"

namespace penstock {
namespace {

// Rows of the matrix that are multiplied at a time, so that they stay in the first caches.
constexpr long kBlock = 64;
// Numbers of it that a thread takes at a time.
constexpr long kChunk = 1 << 16;

float* floats(const ffi::AnyBuffer& array) { return static_cast<float*>(array.untyped_data()); }

struct Sizes {
  long devices, batch, rows, columns;  // of a batch: those of one device; of the matrix: those of all

  long part() const { return rows / devices; }
  long whole_batch() const { return batch * devices; }
};

// Calls body(device, first, count) for the rows [first, first + count) of the parts that devices have, at most kBlock at a time.
template <typename Body>
void for_blocks(const Sizes& sizes, const Body& body) {
  long blocks = (sizes.part() + kBlock - 1) / kBlock;
  auto some = [&](long first_block, long last_block) {
    for (long i = first_block; i < last_block; ++i) {
      long first = i % blocks * kBlock;
      body(i / blocks, first, std::min(kBlock, sizes.part() - first));
    }
  };
  parallel_chunks(blocks * sizes.devices, std::max(1L, kChunk / kBlock / sizes.columns), some);
}

// Columns of the batches [batch, rows] of all devices, one below the other.
void join_columns(const Sizes& sizes, const std::vector<Arrays>& all, size_t which, long first, long count, float* to) {
  for (long d = 0; d < sizes.devices; ++d)
    for (long r = 0; r < sizes.batch; ++r, to += count) std::copy_n(all[d][which] + r * sizes.rows + first, count, to);
}

Packed joined_rows(const Sizes& sizes, const std::vector<Arrays>& all, size_t which) {
  std::vector<float> rows;
  for (long d = 0; d < sizes.devices; ++d)
    rows.insert(rows.end(), all[d][which], all[d][which] + sizes.batch * sizes.columns);
  return Packed(rows.data(), sizes.whole_batch(), sizes.columns, sizes.columns, 1);
}

// The product of the whole batch with the matrix, from where both lie: a thread takes a part of the terms of all results. For
// AVX-512, and a multiple of 16 columns.
void multiply_in_place(const Sizes& sizes, const std::vector<Arrays>& all, float* results) {
  constexpr long kTerms = 128;  // of each result, whose rows of the matrix stay in the first cache with what they meet
  const long width = sizes.whole_batch(), columns = sizes.columns, threads = team_size();
  const float* base = all[0][0];
  std::vector<long> rows, places;
  for (long r = 0; r < width; ++r) {
    rows.push_back(all[r / sizes.batch][0] - base + r % sizes.batch * sizes.rows);
    places.push_back(r * columns);
  }
  std::vector<float> sums(threads * width * columns);
  parallel_for(threads, 1, [&](long thread, long) {
    float* own = sums.data() + thread * width * columns;
    for (long k = sizes.rows * thread / threads, end = sizes.rows * (thread + 1) / threads; k < end;) {
      const long device = k / sizes.part(), row = k % sizes.part();
      const long count = std::min({kTerms, end - k, sizes.part() - row});
      multiply({base + k, rows.data(), width, {1, 0, 1, 0, count, 1}},
               {all[device][1] + row * columns, columns / kLanes, columns, kLanes}, {own, places.data(), true, nullptr});
      k += count;
    }
  });
  std::fill_n(results, width * columns, 0.0f);
  for (long i = 0; i < static_cast<long>(sums.size()); ++i) results[i % (width * columns)] += sums[i];
}

// The same by oneDNN's product, for each part of the matrix.
void multiply_parts(const Sizes& sizes, const std::vector<Arrays>& all, float* results) {
  const long width = sizes.whole_batch(), part = sizes.part();
  Key key("divided_product");
  key.add(width).add(sizes.columns).add(part);
  const Plan& plan = plan_for(key, [&] { return plan_of_product(width, sizes.columns, part); });
  size_t room = aligned(width * part * sizeof(float));
  char* working = working_memory(room + plan.working_size());
  float* joined = reinterpret_cast<float*>(working);
  std::vector<float> of_part(width * sizes.columns);
  std::fill_n(results, of_part.size(), 0.0f);
  for (long d = 0; d < sizes.devices; ++d) {
    parallel_for(width, 1, [&](long first, long last) {
      for (long r = first; r < last; ++r)
        std::copy_n(all[r / sizes.batch][0] + r % sizes.batch * sizes.rows + d * part, part, joined + r * part);
    });
    plan.run({joined, all[d][1], of_part.data()}, working + room);
    for (size_t i = 0; i < of_part.size(); ++i) results[i] += of_part[i];
  }
}

// inputs [batch, rows], own rows of the matrix -> [batch, columns]
ffi::Future product(Run run, ffi::AnyBuffer inputs, ffi::AnyBuffer matrix, ffi::AnyBuffer number,
                    ffi::Result<ffi::AnyBuffer> y, int64_t place, int64_t devices) {
  Sizes sizes{devices, inputs.dimensions()[0], inputs.dimensions()[1], matrix.dimensions()[1]};
  Meeting meeting{run.id, place, devices, *static_cast<const int32_t*>(number.untyped_data())};
  return meet(meeting, {floats(inputs), floats(matrix), floats(*y)}, [sizes](const std::vector<Arrays>& all) {
    static const bool wide = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core;
    const long own = sizes.batch * sizes.columns;
    std::vector<float> results(sizes.devices * own);
    (wide && sizes.columns % kLanes == 0 ? multiply_in_place : multiply_parts)(sizes, all, results.data());
    for (long d = 0; d < sizes.devices; ++d) std::copy_n(results.data() + d * own, own, all[d][2]);
  });
}

// gradients [batch, columns], own rows of the matrix -> [batch, rows], the product with the transposed matrix
ffi::Future transposed_product(Run run, ffi::AnyBuffer gradients, ffi::AnyBuffer matrix, ffi::AnyBuffer number,
                               ffi::Result<ffi::AnyBuffer> y, int64_t place, int64_t devices) {
  Sizes sizes{devices, gradients.dimensions()[0], matrix.dimensions()[0] * devices, matrix.dimensions()[1]};
  Meeting meeting{run.id, place, devices, *static_cast<const int32_t*>(number.untyped_data())};
  return meet(meeting, {floats(gradients), floats(matrix), floats(*y)}, [sizes](const std::vector<Arrays>& all) {
    for_blocks(sizes, [&](long d, long first, long rows) {
      Packed block(all[d][1] + first * sizes.columns, sizes.columns, rows, 1, sizes.columns);
      for (const Arrays& each : all)
        multiply({each[0], sizes.batch, sizes.columns}, block, each[2] + d * sizes.part() + first, sizes.rows, {false});
    });
  });
}

// inputs [batch, rows], gradients [batch, columns] -> own rows of inputs^T gradients, summed over all devices
ffi::Future gradient(Run run, ffi::AnyBuffer inputs, ffi::AnyBuffer gradients, ffi::AnyBuffer number,
                     ffi::Result<ffi::AnyBuffer> sums, int64_t place, int64_t devices) {
  Sizes sizes{devices, inputs.dimensions()[0], inputs.dimensions()[1], gradients.dimensions()[1]};
  Meeting meeting{run.id, place, devices, *static_cast<const int32_t*>(number.untyped_data())};
  return meet(meeting, {floats(inputs), floats(gradients), floats(*sums)}, [sizes](const std::vector<Arrays>& all) {
    Packed packed = joined_rows(sizes, all, 1);
    for_blocks(sizes, [&](long d, long first, long rows) {
      std::vector<float> batch(sizes.whole_batch() * rows);
      join_columns(sizes, all, 0, d * sizes.part() + first, rows, batch.data());
      multiply({batch.data(), rows, 1, rows}, packed, all[d][2] + first * sizes.columns, sizes.columns, {false});
    });
  });
}

// Own rows of p, m, v; inputs and gradients as above; rates [4]; arrays after these only say what must have been computed before.
ffi::Future adam(Run run, ffi::AnyBuffer p, ffi::AnyBuffer m, ffi::AnyBuffer v, ffi::AnyBuffer inputs, ffi::AnyBuffer gradients,
                 ffi::AnyBuffer rates, ffi::AnyBuffer number, ffi::RemainingArgs, ffi::Result<ffi::AnyBuffer> new_p,
                 ffi::Result<ffi::AnyBuffer> new_m, ffi::Result<ffi::AnyBuffer> new_v, int64_t place, int64_t devices) {
  Sizes sizes{devices, inputs.dimensions()[0], inputs.dimensions()[1], gradients.dimensions()[1]};
  Meeting meeting{run.id, place, devices, *static_cast<const int32_t*>(number.untyped_data())};
  Arrays own{floats(inputs), floats(gradients), floats(p), floats(m), floats(v), floats(*new_p), floats(*new_m), floats(*new_v),
             floats(rates)};
  return meet(meeting, own, [sizes](const std::vector<Arrays>& all) {
    Packed packed = joined_rows(sizes, all, 1);
    for (long d = 0; d < sizes.devices; ++d) {
      const Arrays& of = all[d];
      auto columns = [&](long first, long count, float* to) {
        join_columns(sizes, all, 0, d * sizes.part() + first, count, to);
      };
      update_by_product({of[2], of[3], of[4], of[5], of[6], of[7], sizes.part(), sizes.columns},
                        {of[8][0], of[8][1], of[8][2], of[8][3]}, columns, packed);
    }
  });
}

}  // namespace

#define PENSTOCK_DIVIDED_KERNEL(name, function)                    \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_##name, function,         \
                                ffi::Ffi::Bind()                   \
                                    .Ctx<Run>()                    \
                                    .Arg<ffi::AnyBuffer>()         \
                                    .Arg<ffi::AnyBuffer>()         \
                                    .Arg<ffi::AnyBuffer>()         \
                                    .Ret<ffi::AnyBuffer>()         \
                                    .Attr<int64_t>("place")        \
                                    .Attr<int64_t>("devices"))

PENSTOCK_DIVIDED_KERNEL(divided_product, product);
PENSTOCK_DIVIDED_KERNEL(divided_transposed_product, transposed_product);
PENSTOCK_DIVIDED_KERNEL(divided_gradient, gradient);
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_divided_adam, adam,
                              ffi::Ffi::Bind()
                                  .Ctx<Run>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<int64_t>("place")
                                  .Attr<int64_t>("devices"));

}  // namespace penstock
