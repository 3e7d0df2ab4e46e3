// Products of matrices, and of batches of them, that lie anywhere in arrays: XLA copies an operand that does not lie as its
// own kernels want it, which took longer than the product of a weight's gradient.
#include "onednn.h"
#include "packed.h"
#include "team.h"

namespace penstock {
namespace {

// Additions and multiplications of a product that one thread has done before it could have had its `Turn`.
constexpr double kSmallWork = 1e6;

std::vector<int64_t> copied(Numbers values) { return {values.begin(), values.end()}; }

// sizes: [batch..., m, n, k]; the strides of a: [batch..., m, k], of b: [batch..., k, n], of y: [batch..., m, n].
ffi::Error product(ffi::AnyBuffer a, ffi::AnyBuffer b, ffi::Result<ffi::AnyBuffer> y, Numbers sizes, Numbers a_strides,
                   Numbers b_strides, Numbers y_strides) {
  return guarded("product", [&] {
    double work = 2;
    for (int64_t size : sizes) work *= static_cast<double>(size);
    if (work < kSmallWork && sizes.size() == 3 && a.element_type() == ffi::DataType::F32) {
      Packed matrix(static_cast<const float*>(b.untyped_data()), sizes[2], sizes[1], b_strides[0], b_strides[1]);
      Rows rows{static_cast<const float*>(a.untyped_data()), sizes[0], a_strides[0], a_strides[1]};
      return multiply(rows, matrix, static_cast<float*>(y->untyped_data()), y_strides[0], {false});
    }
    Turn turn(work);
    Key key("product");
    key.add(static_cast<int64_t>(a.element_type())).add(sizes).add(a_strides).add(b_strides).add(y_strides);
    plan_for(key, [&] {
      size_t batch = sizes.size() - 3;
      int64_t m = sizes[batch], n = sizes[batch + 1], k = sizes[batch + 2];
      auto describe = [&](int64_t rows, int64_t columns, Numbers strides) {
        std::vector<int64_t> dims(sizes.begin(), sizes.begin() + batch);
        dims.insert(dims.end(), {rows, columns});
        return strided(dims, copied(strides), data_type(a.element_type()));
      };
      memory::desc a_given = describe(m, k, a_strides), b_given = describe(k, n, b_strides),
                   y_given = describe(m, n, y_strides);
      dnnl::matmul::primitive_desc found(engine(), a_given, b_given, y_given, own_scratchpad());
      return std::make_unique<Plan>(dnnl::matmul(found), found.scratchpad_desc(),
                                    std::vector<Plan::Operand>{{DNNL_ARG_SRC, a_given, found.src_desc()},
                                                               {DNNL_ARG_WEIGHTS, b_given, found.weights_desc()},
                                                               {DNNL_ARG_DST, y_given, found.dst_desc(), true}});
    }).run({a.untyped_data(), b.untyped_data(), y->untyped_data()});
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_product, product,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<Numbers>("sizes")
                                  .Attr<Numbers>("a_strides")
                                  .Attr<Numbers>("b_strides")
                                  .Attr<Numbers>("y_strides"));

}  // namespace penstock
