// What the processes of one host compute together, in the memory that they share: nothing goes through sockets, whose buffers
// the kernel clears and copies. Each brings its array; when all have, each reads what it needs of those of the others.
#include <algorithm>
#include <cstring>
#include <vector>

#include "adam.h"
#include "host_memory.h"
#include "onednn.h"
#include "team.h"
#include "vectorized.h"

namespace penstock {
namespace {

constexpr long kGrain = 1 << 14;  // numbers of a sum that are worth a thread

float* floats(const ffi::AnyBuffer& array) { return static_cast<float*>(array.untyped_data()); }

void copy(const void* from, int64_t bytes, void* to) {
  if (bytes <= kGrain) {  // not worth waiting for a turn
    std::memcpy(to, from, bytes);
    return;
  }
  Turn turn;
  parallel_for(bytes, kGrain * sizeof(float), [&](long first, long last) {
    std::memcpy(static_cast<char*>(to) + first, static_cast<const char*>(from) + first, last - first);
  });
}

PENSTOCK_VECTORIZED void add(const float* other, long count, float* sum) {
#pragma GCC ivdep
  for (long i = 0; i < count; ++i) sum[i] += other[i];
}

// Which of `count` rows or numbers belong to a process.
struct Part {
  long first, end;

  Part(long count, const Exchange& here, int process)
      : first(count * process / here.count()), end(count * (process + 1) / here.count()) {}
  Part(long count, const Exchange& here) : Part(count, here, here.number()) {}
  long size() const { return end - first; }
};

// value [rows, ...] -> the values of all processes [processes * rows, ...], in their order
ffi::Future gather(ffi::AnyBuffer value, ffi::Result<ffi::AnyBuffer> all, int64_t place, int64_t offset) {
  const int64_t bytes = value.size_bytes();
  const void* from = value.untyped_data();
  char* to = static_cast<char*>(all->untyped_data());
  return exchange({place, offset, bytes}, [=](Exchange& here) {
    copy(from, bytes, here.own());
    here.meet();
    for (int p = 0; p < here.count(); ++p) copy(p == here.number() ? from : here.part(p), bytes, to + p * bytes);
    here.meet();
  });
}

// The sum of the values of all processes, in their order: the same bits for all. Each adds up a part of it.
ffi::Future sum(ffi::AnyBuffer value, ffi::Result<ffi::AnyBuffer> total, int64_t place, int64_t offset) {
  const int64_t bytes = value.size_bytes();
  const long numbers = static_cast<long>(value.element_count());
  const void* from = value.untyped_data();
  void* to = total->untyped_data();
  return exchange({place, offset, bytes}, [=](Exchange& here) {
    copy(from, bytes, here.own());
    here.meet();
    {
      const Part mine(numbers, here);
      Turn turn;
      parallel_for(mine.size(), kGrain, [&](long first, long last) {
        float* sums = reinterpret_cast<float*>(here.part(0)) + mine.first + first;
        for (int p = 1; p < here.count(); ++p)
          add(reinterpret_cast<const float*>(here.part(p)) + mine.first + first, last - first, sums);
      });
    }
    here.meet();
    copy(here.part(0), bytes, to);
    here.meet();
  });
}

// What every process brings to an update: inputs [batch, rows] and gradients [batch, columns].
struct Factors {
  const float *inputs, *gradients;
  long batch, rows, columns;

  int64_t of_inputs() const { return batch * rows * sizeof(float); }
  int64_t of_gradients() const { return batch * columns * sizeof(float); }
};

Factors factors(const ffi::AnyBuffer& inputs, const ffi::AnyBuffer& gradients) {
  return {floats(inputs), floats(gradients), inputs.dimensions()[0], inputs.dimensions()[1], gradients.dimensions()[1]};
}

void bring(const Factors& f, const Exchange& here) {
  copy(f.inputs, f.of_inputs(), here.own());
  copy(f.gradients, f.of_gradients(), here.own() + f.of_inputs());
}

// Updates those rows of a matrix and its moments from `first_row` on that `arrays` has, by what all have brought.
void update(const AdamArrays& arrays, long first_row, const float* rates, const Factors& f, const Exchange& here) {
  Turn turn;
  const long in_all = here.count() * f.batch;
  std::vector<float> joined(in_all * f.columns);
  for (int p = 0; p < here.count(); ++p)
    std::memcpy(joined.data() + p * f.batch * f.columns, here.part(p) + f.of_inputs(), f.of_gradients());
  auto columns_of_inputs = [&](long first, long count, float* to) {
    for (int p = 0; p < here.count(); ++p)
      for (long r = 0; r < f.batch; ++r, to += count)
        std::copy_n(reinterpret_cast<const float*>(here.part(p)) + r * f.rows + first_row + first, count, to);
  };
  update_by_product(arrays, {rates[0], rates[1], rates[2], rates[3]}, columns_of_inputs,
                    Packed(joined.data(), in_all, f.columns, f.columns, 1));
}

// p, m, v [rows, columns]; inputs [batch, rows], gradients [batch, columns]: Adam's update with the sum over all processes of
// inputs^T gradients; rates [4]; arrays after these only say what must have been computed before.
ffi::Future adam(ffi::AnyBuffer p, ffi::AnyBuffer m, ffi::AnyBuffer v, ffi::AnyBuffer inputs, ffi::AnyBuffer gradients,
                 ffi::AnyBuffer rates, ffi::RemainingArgs, ffi::Result<ffi::AnyBuffer> new_p, ffi::Result<ffi::AnyBuffer> new_m,
                 ffi::Result<ffi::AnyBuffer> new_v, int64_t place, int64_t offset) {
  const Factors f = factors(inputs, gradients);
  const float* given = floats(rates);
  AdamArrays arrays{floats(p), floats(m), floats(v), floats(*new_p), floats(*new_m), floats(*new_v), f.rows, f.columns};
  return exchange({place, offset, f.of_inputs() + f.of_gradients()}, [=](Exchange& here) {
    bring(f, here);
    here.meet();
    update(arrays, 0, given, f, here);
    here.meet();
  });
}

// The same where p, m and v lie in memory that all processes share, at `addresses` [3]: each process updates some of the rows, in
// place. All have read p before, and see all of it changed afterwards.
ffi::Future adam_in_place(ffi::AnyBuffer addresses, ffi::AnyBuffer inputs, ffi::AnyBuffer gradients, ffi::AnyBuffer rates,
                          ffi::RemainingArgs, ffi::Result<ffi::AnyBuffer> done, int64_t place, int64_t offset) {
  const Factors f = factors(inputs, gradients);
  const float* given = floats(rates);
  const int64_t* at = static_cast<const int64_t*>(addresses.untyped_data());
  *floats(*done) = 1;
  return exchange({place, offset, f.of_inputs() + f.of_gradients()}, [=](Exchange& here) {
    const Part mine(f.rows, here);
    float* own[3];
    for (int i = 0; i < 3; ++i) own[i] = reinterpret_cast<float*>(at[i]) + mine.first * f.columns;
    bring(f, here);
    here.meet();
    update({own[0], own[1], own[2], own[0], own[1], own[2], mine.size(), f.columns}, mine.first, given, f, here);
    here.meet();
  });
}

const float* at(const int64_t address) { return reinterpret_cast<const float*>(address); }

// inputs [batch, rows], a matrix [rows, columns] in shared memory -> [batch, columns]. Each process reads its rows of the
// matrix, for the batches of all.
ffi::Future product(ffi::AnyBuffer address, ffi::AnyBuffer inputs, ffi::Result<ffi::AnyBuffer> y, int64_t place,
                    int64_t offset) {
  const long batch = inputs.dimensions()[0], rows = inputs.dimensions()[1], columns = y->dimensions()[1];
  const float *x = floats(inputs), *matrix = at(*static_cast<const int64_t*>(address.untyped_data()));
  float* to = floats(*y);
  const int64_t of_inputs = inputs.size_bytes(), of_sums = y->size_bytes();
  return exchange({place, offset, of_inputs + process_count() * of_sums}, [=](Exchange& here) {
    copy(x, of_inputs, here.own());
    here.meet();
    const Part own(rows, here);
    const long in_all = here.count() * batch;
    {
      Turn turn;
      Key key("exchange_product");
      key.add(in_all).add(columns).add(own.size());
      const Plan& plan = plan_for(key, [&] { return plan_of_product(in_all, columns, own.size()); });
      const size_t room = aligned(in_all * own.size() * sizeof(float));
      char* working = working_memory(room + plan.working_size());
      float* joined = reinterpret_cast<float*>(working);
      parallel_for(in_all, 1, [&](long first, long last) {
        for (long r = first; r < last; ++r)
          std::copy_n(reinterpret_cast<const float*>(here.part(r / batch)) + r % batch * rows + own.first, own.size(),
                      joined + r * own.size());
      });
      plan.run({joined, const_cast<float*>(matrix) + own.first * columns, here.own() + of_inputs}, working + room);
    }
    here.meet();
    std::fill_n(to, batch * columns, 0.0f);
    for (int p = 0; p < here.count(); ++p)
      add(reinterpret_cast<const float*>(here.part(p) + of_inputs) + here.number() * batch * columns, batch * columns, to);
    here.meet();
  });
}

// gradients [batch, columns], a matrix [rows, columns] in shared memory -> [batch, rows], the product with the transposed matrix.
ffi::Future transposed_product(ffi::AnyBuffer address, ffi::AnyBuffer gradients, ffi::Result<ffi::AnyBuffer> y, int64_t place,
                               int64_t offset) {
  constexpr long kBlock = 64, kChunk = 1 << 16;  // rows that stay in the first caches, numbers that a thread takes at a time
  const long batch = gradients.dimensions()[0], columns = gradients.dimensions()[1], rows = y->dimensions()[1];
  const float *dy = floats(gradients), *matrix = at(*static_cast<const int64_t*>(address.untyped_data()));
  float* to = floats(*y);
  const int64_t of_gradients = gradients.size_bytes();
  const int64_t of_parts = process_count() * batch * (rows / process_count() + 1) * sizeof(float);
  return exchange({place, offset, of_gradients + of_parts}, [=](Exchange& here) {
    copy(dy, of_gradients, here.own());
    here.meet();
    const Part own(rows, here);
    {
      Turn turn;
      float* results = reinterpret_cast<float*>(here.own() + of_gradients);
      auto some = [&](long first_block, long last_block) {
        for (long row = first_block * kBlock, end = std::min(own.size(), last_block * kBlock); row < end; row += kBlock) {
          const long count = std::min(kBlock, end - row);
          Packed block(matrix + (own.first + row) * columns, columns, count, 1, columns);
          for (int p = 0; p < here.count(); ++p)
            multiply({reinterpret_cast<const float*>(here.part(p)), batch, columns}, block,
                     results + p * batch * own.size() + row, own.size(), {false});
        }
      };
      parallel_chunks((own.size() + kBlock - 1) / kBlock, std::max(1L, kChunk / kBlock / columns), some);
    }
    here.meet();
    for (int p = 0; p < here.count(); ++p) {
      const Part part(rows, here, p);
      const float* from =
          reinterpret_cast<const float*>(here.part(p) + of_gradients) + here.number() * batch * part.size();
      for (long r = 0; r < batch; ++r) std::copy_n(from + r * part.size(), part.size(), to + r * rows + part.first);
    }
    here.meet();
  });
}

}  // namespace

#define PENSTOCK_EXCHANGE_ARRAY(name, function)                  \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_##name, function,       \
                                ffi::Ffi::Bind()                 \
                                    .Arg<ffi::AnyBuffer>()       \
                                    .Ret<ffi::AnyBuffer>()       \
                                    .Attr<int64_t>("place")      \
                                    .Attr<int64_t>("offset"))
#define PENSTOCK_EXCHANGE_PRODUCT(name, function)                \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_##name, function,       \
                                ffi::Ffi::Bind()                 \
                                    .Arg<ffi::AnyBuffer>()       \
                                    .Arg<ffi::AnyBuffer>()       \
                                    .Ret<ffi::AnyBuffer>()       \
                                    .Attr<int64_t>("place")      \
                                    .Attr<int64_t>("offset"))
PENSTOCK_EXCHANGE_PRODUCT(exchange_product, product);
PENSTOCK_EXCHANGE_PRODUCT(exchange_transposed_product, transposed_product);
PENSTOCK_EXCHANGE_ARRAY(exchange_gather, gather);
PENSTOCK_EXCHANGE_ARRAY(exchange_sum, sum);
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_exchange_adam, adam,
                              ffi::Ffi::Bind()
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
                                  .Attr<int64_t>("offset"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_exchange_adam_in_place, adam_in_place,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<int64_t>("place")
                                  .Attr<int64_t>("offset"));

}  // namespace penstock
