// What kernels built from oneDNN primitives share: array descriptions, the cache of plans, and working memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "xla/ffi/api/ffi.h"

namespace penstock {

namespace ffi = xla::ffi;

using Numbers = ffi::Span<const int64_t>;
using dnnl::memory;

const dnnl::engine& engine();
dnnl::stream& stream();

// Throws std::invalid_argument for a dtype that kernels do not have.
memory::data_type data_type(ffi::DataType type);

// The description of an array whose dimension i is `sizes[i]` long, with neighbours `strides[i]` elements apart.
memory::desc strided(const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides,
                     memory::data_type type);

// The strides of a row-major array.
std::vector<int64_t> row_major(const std::vector<int64_t>& sizes);

// At least `size` bytes, aligned for vectors, that belong to the holder of the `Turn`; kept between calls.
char* working_memory(size_t size);

// `size` rounded up so that what follows it is aligned too.
size_t aligned(size_t size);

// One primitive, and how arrays get to it: an array that lies in another order than the primitive wants is reordered
// into working memory first (the primitive's weights usually are), or back afterwards.
class Plan {
 public:
  // `role` is oneDNN's DNNL_ARG_*; `given` is how the caller's array lies, `wanted` what the primitive takes.
  struct Operand {
    int role;
    memory::desc given, wanted;
    bool is_output = false;
  };

  Plan(dnnl::primitive primitive, const memory::desc& scratchpad, std::vector<Operand> operands);

  // Runs the primitive; `arrays` are those of the operands, in their order. The caller holds a `Turn`.
  void run(const std::vector<void*>& arrays) const { run(arrays, working_memory(working_size_)); }

  // The same with working memory of the caller's: `working_size()` bytes.
  void run(const std::vector<void*>& arrays, char* working) const;
  size_t working_size() const { return working_size_; }

 private:
  struct Step {
    Operand operand;
    dnnl::primitive reorder;  // empty where given and wanted are the same
    size_t offset = 0;        // of the reordered array in working memory
  };

  dnnl::primitive primitive_;
  memory::desc scratchpad_;
  size_t scratchpad_offset_ = 0, working_size_ = 0;
  std::vector<Step> steps_;
};

// Everything that decides which plan a call needs, as bytes.
class Key {
 public:
  explicit Key(const char* kernel) : text_(kernel) {}

  Key& add(int64_t value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }

  Key& add(Numbers values) {
    add(static_cast<int64_t>(values.size()));
    for (int64_t value : values) add(value);
    return *this;
  }

  Key& add(const ffi::AnyBuffer& array) {
    return add(static_cast<int64_t>(array.element_type())).add(array.dimensions());
  }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// The product of row-major float32 matrices [m, k] and [k, n].
std::unique_ptr<Plan> plan_of_product(long m, long n, long k);

// The plan for a key, made at most once. The caller holds a `Turn`, and may use the plan as long as it does.
const Plan& plan_for(const Key& key, const std::function<std::unique_ptr<Plan>()>& make);

// What a primitive needs to use memory of ours.
dnnl::primitive_attr own_scratchpad();

// Runs a kernel's body in a turn; what it throws becomes the error of the XLA call.
ffi::Error guarded(const char* kernel, const std::function<void()>& body);

}  // namespace penstock
