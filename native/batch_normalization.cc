// What batch normalization needs of each channel, over all rows of a matrix [rows, channels]: the mean and the variance, and
// for its gradients the sums of dy and of dy (x - centre). Each takes one pass over memory; what is left is elementwise.
//
// A block of rows stays in cache while it is gone over a second time for its variance. Moments of blocks are combined by
// Chan's formula, so that no digits are lost where the mean is large against the deviation.
#include <algorithm>
#include <vector>

#include "half.h"
#include "onednn.h"
#include "team.h"
#include "vectorized.h"

namespace penstock {
namespace {

constexpr long kBlock = 1 << 12;  // numbers of a block: several such are in the first cache
constexpr long kLeastRows = 32;   // of a block, so that combining blocks takes less than going over them
constexpr long kGrain = 1 << 14;  // numbers that are worth a thread

// The rows of an array of either dtype, as floats.
class Rows {
 public:
  Rows(const ffi::AnyBuffer& array, long columns, long most)
      : data_(static_cast<const char*>(array.untyped_data())),
        columns_(columns),
        is_half_(array.element_type() == ffi::DataType::BF16),
        wide_(is_half_ ? most * columns : 0) {}

  const float* at(long first, long rows) {
    if (!is_half_) return reinterpret_cast<const float*>(data_) + first * columns_;
    widen(reinterpret_cast<const Half*>(data_) + first * columns_, wide_.data(), rows * columns_);
    return wide_.data();
  }

 private:
  const char* data_;
  long columns_;
  bool is_half_;
  std::vector<float> wide_;
};

PENSTOCK_VECTORIZED void add_rows(const float* __restrict x, float* __restrict sums, long rows, long columns) {
  long r = 0;
  for (; r + 4 <= rows; r += 4, x += 4 * columns)
    for (long c = 0; c < columns; ++c)
      sums[c] += (x[c] + x[c + columns]) + (x[c + 2 * columns] + x[c + 3 * columns]);
  for (; r < rows; ++r, x += columns)
    for (long c = 0; c < columns; ++c) sums[c] += x[c];
}

PENSTOCK_VECTORIZED void scale(float* x, float factor, long count) {
  for (long i = 0; i < count; ++i) x[i] *= factor;
}

// Adds the deviations from `mean`, and their squares.
PENSTOCK_VECTORIZED void add_deviations(const float* __restrict x, const float* __restrict mean, float* __restrict sums,
                                        float* __restrict squares, long rows, long columns) {
  for (long r = 0; r < rows; ++r, x += columns)
    for (long c = 0; c < columns; ++c) {
      float apart = x[c] - mean[c];
      sums[c] += apart;
      squares[c] += apart * apart;
    }
}

// The sum and the sum of squared deviations of `rows` rows so far.
struct Moments {
  explicit Moments(long columns) : sums(columns), squares(columns) {}

  std::vector<double> sums, squares;
  long rows = 0;
};

PENSTOCK_VECTORIZED void combine(const double* __restrict sums, const double* __restrict squares, double rows,
                                 double* __restrict total_sums, double* __restrict total_squares, double total_rows,
                                 long columns) {
  double weight = rows * total_rows / (rows + total_rows), before = 1 / std::max(total_rows, 1.0), more = 1 / rows;
  for (long c = 0; c < columns; ++c) {
    double apart = sums[c] * more - total_sums[c] * before;
    total_squares[c] += squares[c] + apart * apart * weight;
    total_sums[c] += sums[c];
  }
}

void add(const Moments& more, Moments& total) {
  combine(more.sums.data(), more.squares.data(), more.rows, total.sums.data(), total.squares.data(), total.rows,
          total.sums.size());
  total.rows += more.rows;
}

// The rounded mean is not quite the mean: the deviations from it do not sum up to 0. (Where that is NaN, as infinity less
// itself, the mean is what it is.)
PENSTOCK_VECTORIZED void correct(const float* __restrict mean, const float* __restrict deviations,
                                 const float* __restrict squares, double rows, double* __restrict sums,
                                 double* __restrict corrected, long columns) {
  for (long c = 0; c < columns; ++c) {
    double left = deviations[c] == deviations[c] ? deviations[c] : 0.0f;
    sums[c] = mean[c] * rows + left;
    corrected[c] = squares[c] - left * left / rows;
  }
}

// What one thread has: its block's numbers, and the moments of the block and of all its rows.
class MomentsOfRows {
 public:
  MomentsOfRows(Rows x, long columns)
      : x_(std::move(x)), columns_(columns), mean_(columns), sums_(columns), squares_(columns), block_(columns),
        total_(columns) {}

  void add_block(long first, long rows) {
    const float* x = x_.at(first, rows);
    for (auto* each : {&mean_, &sums_, &squares_}) std::fill(each->begin(), each->end(), 0.0f);
    add_rows(x, mean_.data(), rows, columns_);
    scale(mean_.data(), 1.0f / rows, columns_);
    add_deviations(x, mean_.data(), sums_.data(), squares_.data(), rows, columns_);
    correct(mean_.data(), sums_.data(), squares_.data(), rows, block_.sums.data(), block_.squares.data(), columns_);
    block_.rows = rows;
    add(block_, total_);
  }

  Moments& total() { return total_; }

 private:
  Rows x_;
  long columns_;
  std::vector<float> mean_, sums_, squares_;
  Moments block_, total_;
};

// The gradient of Relu (limit 0), or of one with a limit, as Relu6.
PENSTOCK_VECTORIZED void mask(const float* __restrict features, float limit, const float* __restrict dy,
                              float* __restrict masked, long count) {
  if (limit > 0) {
    for (long i = 0; i < count; ++i) masked[i] = (features[i] > 0) & (features[i] < limit) ? dy[i] : 0.0f;
  } else {
    for (long i = 0; i < count; ++i) masked[i] = features[i] > 0 ? dy[i] : 0.0f;
  }
}

PENSTOCK_VECTORIZED void add_products(const float* __restrict x, const float* __restrict dy,
                                      const float* __restrict centre, float* __restrict sums,
                                      float* __restrict products, long rows, long columns) {
  for (long r = 0; r < rows; ++r, x += columns, dy += columns)
    for (long c = 0; c < columns; ++c) {
      sums[c] += dy[c];
      products[c] += dy[c] * (x[c] - centre[c]);
    }
}

PENSTOCK_VECTORIZED void add_wide(const float* __restrict sums, double* __restrict total, long count) {
  for (long i = 0; i < count; ++i) total[i] += sums[i];
}

float* floats(const ffi::AnyBuffer& array) { return static_cast<float*>(array.untyped_data()); }

// Calls body(share, first row, rows) on blocks of rows; shares are gone through at the same time, each in order.
template <typename Body>
void for_blocks(long rows, long columns, long shares, const Body& body) {
  long block = std::max(kLeastRows, kBlock / columns);
  parallel_for(shares, 1, [&](long from, long to) {
    for (long share = from; share < to; ++share) {
      long first = rows * share / shares, last = rows * (share + 1) / shares;
      for (long at = first; at < last; at += block) body(share, at, std::min(block, last - at));
    }
  });
}

long most_rows(long columns) { return std::max(kLeastRows, kBlock / columns); }

long shares_of(long rows, long columns) {
  return std::clamp<long>(rows * columns / kGrain, 1, std::min<long>(rows, team_size()));
}

// x [rows, channels] -> mean, variance [channels], float32
ffi::Error channel_moments(ffi::AnyBuffer x, ffi::Result<ffi::AnyBuffer> mean, ffi::Result<ffi::AnyBuffer> variance) {
  return guarded("channel_moments", [&] {
    long rows = x.dimensions()[0], columns = x.dimensions()[1];
    long shares = shares_of(rows, columns);
    std::vector<MomentsOfRows> own(shares, MomentsOfRows(Rows(x, columns, most_rows(columns)), columns));
    for_blocks(rows, columns, shares, [&](long share, long first, long count) { own[share].add_block(first, count); });
    Moments& total = own[0].total();
    for (long share = 1; share < shares; ++share) add(own[share].total(), total);
    for (long c = 0; c < columns; ++c) {
      floats(*mean)[c] = static_cast<float>(total.sums[c] / rows);
      floats(*variance)[c] = static_cast<float>(total.squares[c] / rows);
    }
  });
}

// x, dy [rows, channels], centre [channels] -> the sums of dy and of dy (x - centre) [channels], float32.
// With features like dy: of dy as the gradient of Relu, or of one with a limit, has it.
ffi::Error channel_sums(ffi::AnyBuffer x, ffi::AnyBuffer dy, ffi::AnyBuffer centre, ffi::RemainingArgs rest,
                        ffi::Result<ffi::AnyBuffer> sums, ffi::Result<ffi::AnyBuffer> products, double limit) {
  return guarded("channel_sums", [&] {
    long rows = x.dimensions()[0], columns = x.dimensions()[1], most = most_rows(columns);
    bool is_masked = rest.size() > 0;
    ffi::AnyBuffer features = is_masked ? rest.get<ffi::AnyBuffer>(0).value() : dy;
    long shares = shares_of(rows, columns);
    struct Own {
      Rows x, dy, features;
      std::vector<float> masked, block;  // block: sums, and products behind them
      std::vector<double> total;
    };
    std::vector<Own> own(shares, {Rows(x, columns, most), Rows(dy, columns, most), Rows(features, columns, most),
                                  std::vector<float>(is_masked ? most * columns : 0), std::vector<float>(2 * columns),
                                  std::vector<double>(2 * columns)});
    for_blocks(rows, columns, shares, [&](long share, long first, long count) {
      Own& mine = own[share];
      const float *values = mine.x.at(first, count), *sent = mine.dy.at(first, count);
      if (is_masked) {
        mask(mine.features.at(first, count), static_cast<float>(limit), sent, mine.masked.data(), count * columns);
        sent = mine.masked.data();
      }
      std::fill(mine.block.begin(), mine.block.end(), 0.0f);
      add_products(values, sent, floats(centre), mine.block.data(), mine.block.data() + columns, count, columns);
      add_wide(mine.block.data(), mine.total.data(), 2 * columns);
    });
    for (long i = 0; i < 2 * columns; ++i) {
      double total = 0;
      for (const Own& each : own) total += each.total[i];
      (i < columns ? floats(*sums)[i] : floats(*products)[i - columns]) = static_cast<float>(total);
    }
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_channel_moments, channel_moments,
                              ffi::Ffi::Bind().Arg<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>().Ret<ffi::AnyBuffer>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_channel_sums, channel_sums,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<double>("limit"));

}  // namespace penstock
