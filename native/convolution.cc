// Convolution over 1 to 3 spatial dimensions, and its gradients with respect to input and filter.
//
// Images are [batch, space..., channels] or [batch, channels, space...]; filters are [space..., channels / groups,
// outputs], as TensorFlow and XLA have them. A depthwise convolution is one with as many groups as channels.
#include "half.h"
#include "onednn.h"
#include "team.h"
#include "vectorized.h"
#include "winograd.h"

namespace penstock {
namespace {

using Sizes = std::vector<int64_t>;

constexpr auto kAny = memory::format_tag::any;

// The attributes of a convolution, as the three handlers get them.
struct Geometry {
  Numbers strides, dilations, pads_before, pads_after;
  int64_t groups;
  bool channels_last;

  Key& add_to(Key& key) const {
    return key.add(strides).add(dilations).add(pads_before).add(pads_after).add(groups).add(channels_last);
  }

  Sizes steps() const { return Sizes(strides.begin(), strides.end()); }
  Sizes before() const { return Sizes(pads_before.begin(), pads_before.end()); }
  Sizes after() const { return Sizes(pads_after.begin(), pads_after.end()); }

  // oneDNN counts the elements that are skipped.
  Sizes skips() const {
    Sizes found;
    for (int64_t each : dilations) found.push_back(each - 1);
    return found;
  }
};

// oneDNN's order of an image's dimensions is always [batch, channels, space...].
memory::desc image(const ffi::AnyBuffer& array, const Geometry& geometry) {
  Sizes sizes(array.dimensions().begin(), array.dimensions().end()), strides = row_major(sizes);
  if (geometry.channels_last) {
    for (Sizes* each : {&sizes, &strides}) {
      each->insert(each->begin() + 1, each->back());
      each->pop_back();
    }
  }
  return strided(sizes, strides, data_type(array.element_type()));
}

// oneDNN's order of a filter's dimensions is [groups, outputs / groups, channels / groups, space...].
memory::desc filter(const ffi::AnyBuffer& array, const Geometry& geometry, memory::data_type type) {
  Sizes sizes(array.dimensions().begin(), array.dimensions().end()), strides = row_major(sizes);
  size_t space = sizes.size() - 2;
  int64_t outputs = sizes[space + 1] / geometry.groups;
  Sizes new_sizes = {outputs, sizes[space]}, new_strides = {1, strides[space]};
  new_sizes.insert(new_sizes.end(), sizes.begin(), sizes.begin() + space);
  new_strides.insert(new_strides.end(), strides.begin(), strides.begin() + space);
  if (geometry.groups > 1) {
    new_sizes.insert(new_sizes.begin(), geometry.groups);
    new_strides.insert(new_strides.begin(), outputs);
  }
  return strided(new_sizes, new_strides, type);
}

memory::desc filter(const ffi::AnyBuffer& array, const Geometry& geometry) {
  return filter(array, geometry, data_type(array.element_type()));
}

memory::desc vector(const ffi::AnyBuffer& array) {
  return strided({static_cast<int64_t>(array.element_count())}, {1}, data_type(array.element_type()));
}

memory::desc any_order(const memory::desc& desc) { return {desc.get_dims(), desc.get_data_type(), kAny}; }

// How many multiplications and additions a convolution or one of its gradients takes. Where there are few for each output,
// as with one channel, memory takes longer: about as long as 30 of them for each number.
double work(const ffi::AnyBuffer& filter, const ffi::AnyBuffer& output) {
  constexpr double kMoved = 30;
  double outputs = filter.dimensions().back(), sums = output.element_count();
  return sums * (2.0 / outputs * filter.element_count() + kMoved);
}

float* floats(const ffi::AnyBuffer& array) { return static_cast<float*>(array.untyped_data()); }

// The convolution from x to y as Winograd's algorithm takes it; `channels` is 0 where it is none.
Winograd as_winograd(const ffi::AnyBuffer& x, const ffi::AnyBuffer& w, const ffi::AnyBuffer& y,
                     const Geometry& geometry) {
  auto ones = [](Numbers values) { return values[0] == 1 && values[1] == 1; };
  if (x.element_type() != ffi::DataType::F32 || !geometry.channels_last || geometry.groups != 1 ||
      x.dimensions().size() != 4 || w.dimensions()[0] != 3 || w.dimensions()[1] != 3 || !ones(geometry.strides) ||
      !ones(geometry.dilations))
    return {};
  auto from = x.dimensions(), to = y.dimensions();
  return {from[0], from[1], from[2], from[3], to[3], geometry.pads_before[0], geometry.pads_before[1], to[1], to[2]};
}

// Height or width of what a filter of size 3 gives.
int64_t output_size(const Geometry& geometry, const ffi::AnyBuffer& x, int dimension) {
  return x.dimensions()[1 + dimension] + geometry.pads_before[dimension] + geometry.pads_after[dimension] - 2;
}

// `make(images)` describes a primitive for images in the order that `images` gives them. They stay where they are if
// oneDNN has a good kernel for that; otherwise it chooses, and reorders them. Filters are small, so it always chooses.
template <typename Make>
auto choose(const Geometry& geometry, const Make& make) {
  auto as_given = [](const memory::desc& desc) { return desc; };
  if (geometry.channels_last) {
    try {
      auto found = make(as_given);
      if (std::string(found.impl_info_str()).find("ref") == std::string::npos) return found;
    } catch (const dnnl::error&) {
    }
  }
  return make(any_order);
}

dnnl::convolution_forward::primitive_desc forward_desc(const memory::desc& x, const memory::desc& w,
                                                       const memory::desc& bias, const memory::desc& y,
                                                       const Geometry& geometry,
                                                       const dnnl::primitive_attr& attributes) {
  auto kind = dnnl::prop_kind::forward_training;
  auto algorithm = dnnl::algorithm::convolution_direct;
  auto strides = geometry.steps(), skips = geometry.skips(), before = geometry.before(), after = geometry.after();
  if (bias.is_zero())
    return {engine(), kind, algorithm, x, w, y, strides, skips, before, after, attributes};
  return {engine(), kind, algorithm, x, w, bias, y, strides, skips, before, after, attributes};
}

// With a third array: it is added, for each output. With `relu`, results are at least 0, and at most `limit` unless that is 0.
// With `pool`, y is the max pool over windows of 2 by 2, for what `penstock_pools` says yes to.
ffi::Error convolution(ffi::AnyBuffer x, ffi::AnyBuffer w, ffi::RemainingArgs rest, ffi::Result<ffi::AnyBuffer> y,
                       Numbers strides, Numbers dilations, Numbers pads_before, Numbers pads_after, int64_t groups,
                       bool channels_last, bool relu, double limit, bool pool) {
  return guarded("convolution", [&] {
    Geometry geometry{strides, dilations, pads_before, pads_after, groups, channels_last};
    bool has_bias = rest.size() > 0;
    std::vector<void*> arrays = {x.untyped_data(), w.untyped_data(), y->untyped_data()};
    memory::desc bias;
    if (has_bias) {
      auto array = rest.get<ffi::AnyBuffer>(0);
      if (!array) throw std::invalid_argument("the bias is not an array");
      bias = vector(*array);
      arrays.push_back(array->untyped_data());
    }
    Turn turn(work(w, *y));
    const float* added = has_bias ? static_cast<float*>(arrays[3]) : nullptr;
    Winograd shape = as_winograd(x, w, *y, geometry);
    if (pool) shape.out_height = output_size(geometry, x, 0), shape.out_width = output_size(geometry, x, 1);
    if (pool && !shape.suits_large_tiles()) throw std::invalid_argument("no kernel pools the result of this convolution");
    if (limit == 0 && shape.suits())
      return winograd_forward(shape, floats(x), floats(w), {added, relu, nullptr, pool}, floats(*y));
    Key key("convolution");
    geometry.add_to(key.add(x).add(w)).add(has_bias).add(relu).add(__builtin_bit_cast(int64_t, limit));
    plan_for(key, [&] {
      dnnl::primitive_attr attributes = own_scratchpad();
      if (relu) {
        dnnl::post_ops after;
        if (limit == 0) {
          after.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
        } else {
          after.append_eltwise(dnnl::algorithm::eltwise_clip, 0.0f, static_cast<float>(limit));
        }
        attributes.set_post_ops(after);
      }
      memory::desc x_given = image(x, geometry), w_given = filter(w, geometry), y_given = image(*y, geometry);
      auto found = choose(geometry, [&](auto order) {
        return forward_desc(order(x_given), any_order(w_given), bias, order(y_given), geometry, attributes);
      });
      std::vector<Plan::Operand> operands = {{DNNL_ARG_SRC, x_given, found.src_desc()},
                                             {DNNL_ARG_WEIGHTS, w_given, found.weights_desc()},
                                             {DNNL_ARG_DST, y_given, found.dst_desc(), true}};
      if (has_bias) operands.push_back({DNNL_ARG_BIAS, bias, found.bias_desc()});
      return std::make_unique<Plan>(dnnl::convolution_forward(found), found.scratchpad_desc(), operands);
    }).run(arrays);
  });
}

PENSTOCK_VECTORIZED void keep_where_positive(const float* features, float* gradient, long count) {
  for (long i = 0; i < count; ++i) gradient[i] = features[i] > 0 ? gradient[i] : 0.0f;
}

// With a third array, like dx, and float32: the gradient is 0 where that is not positive, as Relu before has it.
ffi::Error convolution_input_gradient(ffi::AnyBuffer w, ffi::AnyBuffer dy, ffi::RemainingArgs rest,
                                      ffi::Result<ffi::AnyBuffer> dx, Numbers strides, Numbers dilations,
                                      Numbers pads_before, Numbers pads_after, int64_t groups, bool channels_last) {
  return guarded("convolution_input_gradient", [&] {
    Geometry geometry{strides, dilations, pads_before, pads_after, groups, channels_last};
    const float* features = rest.size() > 0 ? floats(rest.get<ffi::AnyBuffer>(0).value()) : nullptr;
    Turn turn(work(w, dy));
    if (Winograd shape = as_winograd(*dx, w, dy, geometry); shape.suits())
      return winograd_input_gradient(shape, floats(w), floats(dy), features, floats(*dx));
    Key key("convolution_input_gradient");
    geometry.add_to(key.add(w).add(dy).add(*dx));
    plan_for(key, [&] {
      memory::desc x = image(*dx, geometry), y = image(dy, geometry), w_given = filter(w, geometry);
      auto found = choose(geometry, [&](auto order) {
        auto forward = forward_desc(order(x), any_order(w_given), {}, order(y), geometry, {});
        return dnnl::convolution_backward_data::primitive_desc(
            engine(), dnnl::algorithm::convolution_direct, order(x), any_order(w_given), order(y),
            geometry.steps(), geometry.skips(), geometry.before(), geometry.after(), forward, own_scratchpad());
      });
      return std::make_unique<Plan>(
          dnnl::convolution_backward_data(found), found.scratchpad_desc(),
          std::vector<Plan::Operand>{{DNNL_ARG_WEIGHTS, w_given, found.weights_desc()},
                                     {DNNL_ARG_DIFF_DST, y, found.diff_dst_desc()},
                                     {DNNL_ARG_DIFF_SRC, x, found.diff_src_desc(), true}});
    }).run({w.untyped_data(), dy.untyped_data(), dx->untyped_data()});
    if (features == nullptr) return;
    parallel_for(static_cast<long>(dx->element_count()), 1 << 15, [&](long first, long last) {
      keep_where_positive(features + first, floats(*dx) + first, last - first);
    });
  });
}

PENSTOCK_VECTORIZED void add(const float* numbers, long count, float* to) {
#pragma GCC ivdep
  for (long i = 0; i < count; ++i) to[i] += numbers[i];
}

memory::desc part_of(const memory::desc& images, int64_t parts) {
  Sizes sizes = images.get_dims();
  sizes[0] /= parts;
  return strided(sizes, images.get_strides(), images.get_data_type());
}

// `bias` describes the sums of y's numbers for each output, unless it is zero.
std::unique_ptr<Plan> plan_filter_gradient(const memory::desc& x, const memory::desc& y, const memory::desc& w,
                                           const memory::desc& bias, const Geometry& geometry) {
  auto found = choose(geometry, [&](auto order) {
    auto forward = forward_desc(order(x), {w.get_dims(), x.get_data_type(), kAny}, {}, order(y), geometry, {});
    return dnnl::convolution_backward_weights::primitive_desc(
        engine(), dnnl::algorithm::convolution_direct, order(x), any_order(w), bias, order(y), geometry.steps(),
        geometry.skips(), geometry.before(), geometry.after(), forward, own_scratchpad());
  });
  std::vector<Plan::Operand> operands = {{DNNL_ARG_SRC, x, found.src_desc()},
                                         {DNNL_ARG_DIFF_DST, y, found.diff_dst_desc()},
                                         {DNNL_ARG_DIFF_WEIGHTS, w, found.diff_weights_desc(), true}};
  if (!bias.is_zero()) operands.push_back({DNNL_ARG_DIFF_BIAS, bias, bias, true});
  return std::make_unique<Plan>(dnnl::convolution_backward_weights(found), found.scratchpad_desc(), operands);
}

// Into how many parts of the batch the gradient of a filter is divided, one for each thread.
//
// oneDNN would divide it too, but its threads then wait for each other in loops that never sleep: where other processes
// use the cores, a gradient of 0.4 ms took 4. Parts that are summed at the end need no waiting. Many threads would need much
// memory for them.
int64_t batch_parts(int64_t batch) {
  constexpr int kMostParts = 8;
  int64_t parts = team_size();
  if (parts > kMostParts) return 1;
  while (batch % parts != 0) --parts;
  return parts;
}

// With a second result, float32 like the others: the sums of dy for each output.
ffi::Error convolution_filter_gradient(ffi::AnyBuffer x, ffi::AnyBuffer dy, ffi::Result<ffi::AnyBuffer> dw,
                                       ffi::RemainingRets rest, Numbers strides, Numbers dilations,
                                       Numbers pads_before, Numbers pads_after, int64_t groups, bool channels_last) {
  return guarded("convolution_filter_gradient", [&] {
    Geometry geometry{strides, dilations, pads_before, pads_after, groups, channels_last};
    Turn turn(work(*dw, dy));
    float* db = rest.size() > 0 ? floats(*rest.get<ffi::AnyBuffer>(0).value()) : nullptr;
    if (Winograd shape = as_winograd(x, *dw, dy, geometry); shape.suits())
      return winograd_filter_gradient(shape, floats(x), floats(dy), floats(*dw), db);
    int64_t parts = batch_parts(x.dimensions().front()), outputs = dw->dimensions().back();
    bool is_half = dw->element_type() == ffi::DataType::BF16;  // summed up in float32, and rounded at the end
    Key key("convolution_filter_gradient");
    geometry.add_to(key.add(x).add(dy).add(*dw)).add(parts).add(db != nullptr);
    const Plan& plan = plan_for(key, [&] {
      Alone alone(parts > 1);
      return plan_filter_gradient(part_of(image(x, geometry), parts), part_of(image(dy, geometry), parts),
                                  filter(*dw, geometry, memory::data_type::f32),
                                  db == nullptr ? memory::desc() : strided({outputs}, {1}, memory::data_type::f32), geometry);
    });
    if (parts == 1 && !is_half) {
      std::vector<void*> arrays = {x.untyped_data(), dy.untyped_data(), dw->untyped_data()};
      if (db != nullptr) arrays.push_back(db);
      return plan.run(arrays);
    }
    // Each part has its own sums, but those that are the results.
    long size = dw->element_count();
    size_t dw_size = aligned(size * sizeof(float)), db_size = aligned(outputs * sizeof(float));
    size_t each = plan.working_size() + dw_size + db_size;
    char* working = working_memory(each * parts);
    auto own = [&](int64_t part) { return working + each * part; };
    auto dw_of = [&](int64_t part) {
      return part == 0 && !is_half ? floats(*dw) : reinterpret_cast<float*>(own(part) + plan.working_size());
    };
    auto db_of = [&](int64_t part) {
      return part == 0 && db != nullptr ? db : reinterpret_cast<float*>(own(part) + plan.working_size() + dw_size);
    };
    parallel_for(parts, 1, [&](long part, long) {
      std::vector<void*> arrays = {static_cast<char*>(x.untyped_data()) + x.size_bytes() / parts * part,
                                   static_cast<char*>(dy.untyped_data()) + dy.size_bytes() / parts * part, dw_of(part)};
      if (db != nullptr) arrays.push_back(db_of(part));
      plan.run(arrays, own(part));
    });
    for (int64_t part = 1; part < parts; ++part) {
      parallel_for(size, 1 << 16, [&](long first, long last) { add(dw_of(part) + first, last - first, dw_of(0) + first); });
      if (db != nullptr) add(db_of(part), outputs, db);
    }
    if (is_half) narrow(dw_of(0), static_cast<Half*>(dw->untyped_data()), size);
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_convolution, convolution,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<Numbers>("strides")
                                  .Attr<Numbers>("dilations")
                                  .Attr<Numbers>("pads_before")
                                  .Attr<Numbers>("pads_after")
                                  .Attr<int64_t>("groups")
                                  .Attr<bool>("channels_last")
                                  .Attr<bool>("relu")
                                  .Attr<double>("limit")
                                  .Attr<bool>("pool"));

#define PENSTOCK_GRADIENT_ATTRIBUTES    \
  Attr<Numbers>("strides")              \
      .Attr<Numbers>("dilations")       \
      .Attr<Numbers>("pads_before")     \
      .Attr<Numbers>("pads_after")      \
      .Attr<int64_t>("groups")          \
      .Attr<bool>("channels_last")

XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_convolution_input_gradient, convolution_input_gradient,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .RemainingArgs()
                                  .Ret<ffi::AnyBuffer>()
                                  .PENSTOCK_GRADIENT_ATTRIBUTES);
XLA_FFI_DEFINE_HANDLER_SYMBOL(penstock_convolution_filter_gradient, convolution_filter_gradient,
                              ffi::Ffi::Bind()
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .RemainingRets()
                                  .PENSTOCK_GRADIENT_ATTRIBUTES);

}  // namespace penstock

// Whether `convolution` computes the max pool of its result too, for images [batch, height, width, channels] float32, a filter
// of 3 by 3 with stride 1, and results of that height and width before the pool. With `columns`, whether
// `convolution_and_layer` also computes the layer behind it, with so many outputs.
extern "C" bool penstock_pools(int64_t batch, int64_t height, int64_t width, int64_t channels, int64_t outputs,
                               int64_t pad_top, int64_t pad_left, int64_t out_height, int64_t out_width, int64_t columns) {
  const penstock::Winograd shape{batch, height, width, channels, outputs, pad_top, pad_left, out_height, out_width};
  return columns == 0 ? shape.suits_large_tiles() : shape.suits_layer(columns);
}
