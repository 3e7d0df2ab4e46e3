#include "onednn.h"

#include "team.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>
#include <stdexcept>
#include <unordered_map>

namespace penstock {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kPage = 1 << 21;  // large ones, where the system has them
constexpr size_t kMostPlans = 1024;

// A copy of fewer bytes than this is not worth a second thread.
constexpr size_t kSmallCopy = 1 << 20;

void copy(const dnnl::primitive& reorder, const memory& from, const memory& to) {
  Alone alone(from.get_desc().get_size() < kSmallCopy);
  reorder.execute(stream(), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
}

// Lets the threads in turn get the pages of a large array from the system. A page that was never written takes it a moment,
// or milliseconds where a virtual machine has none ready; oneDNN shares its work out beforehand, and would wait for the thread
// that comes upon more of these.
void get_pages(const void* array, size_t size) {
#ifdef MADV_POPULATE_WRITE
  constexpr size_t kLarge = 8 * kPage;
  if (size < kLarge) return;
  auto first = (reinterpret_cast<uintptr_t>(array) + kPage - 1) / kPage;
  auto last = (reinterpret_cast<uintptr_t>(array) + size) / kPage;
  parallel_chunks(static_cast<long>(last - first), 1, [&](long from, long to) {
    madvise(reinterpret_cast<void*>((first + from) * kPage), (to - from) * kPage, MADV_POPULATE_WRITE);
  });
#endif
}

}  // namespace

size_t aligned(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

// Never deleted: XLA's threads may still run while a process exits.
const dnnl::engine& engine() {
  static const auto* made = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *made;
}

dnnl::stream& stream() {
  thread_local dnnl::stream made(engine());
  return made;
}

memory::data_type data_type(ffi::DataType type) {
  switch (type) {
    case ffi::DataType::F32:
      return memory::data_type::f32;
    case ffi::DataType::BF16:
      return memory::data_type::bf16;
    default:
      throw std::invalid_argument("expected float32 or bfloat16");
  }
}

memory::desc strided(const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides,
                     memory::data_type type) {
  return memory::desc(sizes, type, strides);
}

std::vector<int64_t> row_major(const std::vector<int64_t>& sizes) {
  std::vector<int64_t> strides(sizes.size(), 1);
  for (size_t i = sizes.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * sizes[i];
  return strides;
}

dnnl::primitive_attr own_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

Plan::Plan(dnnl::primitive primitive, const memory::desc& scratchpad, std::vector<Operand> operands)
    : primitive_(std::move(primitive)), scratchpad_(scratchpad) {
  for (Operand& operand : operands) {
    Step step{operand, {}, working_size_};
    if (operand.given != operand.wanted) {
      const auto& [from, to] = operand.is_output ? std::tie(operand.wanted, operand.given)
                                                 : std::tie(operand.given, operand.wanted);
      Alone alone(operand.given.get_size() < kSmallCopy);
      step.reorder = dnnl::reorder(dnnl::reorder::primitive_desc(engine(), from, engine(), to));
      working_size_ += aligned(operand.wanted.get_size());
    }
    steps_.push_back(std::move(step));
  }
  scratchpad_offset_ = working_size_;
  working_size_ += aligned(scratchpad_.get_size());
}

void Plan::run(const std::vector<void*>& arrays, char* working) const {
  std::unordered_map<int, memory> arguments;
  std::vector<memory> given;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    given.emplace_back(step.operand.given, engine(), arrays[i]);
    if (step.operand.is_output) get_pages(arrays[i], step.operand.given.get_size());
    if (!step.reorder) {
      arguments.emplace(step.operand.role, given.back());
      continue;
    }
    memory reordered(step.operand.wanted, engine(), working + step.offset);
    if (!step.operand.is_output) copy(step.reorder, given.back(), reordered);
    arguments.emplace(step.operand.role, reordered);
  }
  arguments.emplace(DNNL_ARG_SCRATCHPAD, memory(scratchpad_, engine(), working + scratchpad_offset_));
  primitive_.execute(stream(), arguments);
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    if (step.reorder && step.operand.is_output) copy(step.reorder, arguments.at(step.operand.role), given[i]);
  }
  stream().wait();
}

const Plan& plan_for(const Key& key, const std::function<std::unique_ptr<Plan>()>& make) {
  static auto* plans = new std::unordered_map<std::string, std::unique_ptr<Plan>>();
  auto found = plans->find(key.text());
  if (found != plans->end()) return *found->second;
  if (plans->size() >= kMostPlans) plans->clear();  // a program with that many shapes never repeats most of them
  return *plans->emplace(key.text(), make()).first->second;
}

// Not from malloc's heap: a block that stays, behind XLA's temporary memory, would keep that from growing in its place.
char* working_memory(size_t size) {
  static char* memory = nullptr;
  static size_t available = 0;
  if (size > available) {
    if (memory != nullptr) munmap(memory, available);
    available = 0;
    size_t wanted = (size + kPage - 1) / kPage * kPage;
    void* mapped = mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory = mapped == MAP_FAILED ? nullptr : static_cast<char*>(mapped);
    if (memory == nullptr) throw std::bad_alloc();
    available = wanted;
  }
  return memory;
}

ffi::Error guarded(const char* kernel, const std::function<void()>& body) {
  std::string problem;
  in_turn([&] {
    const WithoutDenormals flush;
    try {
      body();
    } catch (const std::exception& error) {
      problem = std::string(kernel) + ": " + error.what();
    }
  });
  return problem.empty() ? ffi::Error::Success() : ffi::Error::Internal(problem);
}

std::unique_ptr<Plan> plan_of_product(long m, long n, long k) {
  auto matrix = [](long rows, long columns) { return strided({rows, columns}, {columns, 1}, memory::data_type::f32); };
  memory::desc a = matrix(m, k), b = matrix(k, n), y = matrix(m, n);
  dnnl::matmul::primitive_desc found(engine(), a, b, y, own_scratchpad());
  return std::make_unique<Plan>(dnnl::matmul(found), found.scratchpad_desc(),
                                std::vector<Plan::Operand>{{DNNL_ARG_SRC, a, found.src_desc()},
                                                           {DNNL_ARG_WEIGHTS, b, found.weights_desc()},
                                                           {DNNL_ARG_DST, y, found.dst_desc(), true}});
}

}  // namespace penstock

// Whether this machine has the instructions that oneDNN's bfloat16 kernels need.
extern "C" bool penstock_has_bfloat16() {
  return dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core;
}
