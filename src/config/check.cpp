// SPDX-License-Identifier: Apache-2.0
// Rules about more than one key. What needs the shapes of blobs is checked where the net is built.
#include <algorithm>
#include <map>

#include "config/read.hpp"
#include "config/tables.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::config {

namespace {

class LayerCheck {
  public:
    LayerCheck(const Document& document, Path path, const LayerSpec& layer)
        : document_(document), path_(std::move(path)), layer_(layer), facts_(layer_facts(layer.options)) {}

    void run() const {
        check_blobs();
        if (layer_.param.size() > facts_.parameters)
            fail("param", text("more entries (", layer_.param.size(), ") than the layer has parameters (",
                               facts_.parameters, ")"));
        std::visit([&](const auto& options) { check(options); }, layer_.options);
    }

  private:
    [[noreturn]] void fail(const char* key, const std::string& what) const {
        Path path = path_;
        path.push_back(key);
        document_.fail(path, "layer '" + layer_.name + "': " + what);
    }

    void check_blobs() const {
        if (!facts_.fits_bottoms(layer_.bottom.size()))
            fail("bottom", text(layer_.type, " reads ", facts_.bottoms_text(), ", not ", layer_.bottom.size()));
        if (!facts_.fits_tops(layer_.top.size()))
            fail("top", text(layer_.type, " writes ", facts_.tops_text(), ", not ", layer_.top.size()));
    }

    template <class Options>
    void check(const Options&) const {}

    void check(const FillerOptions& filler, const char* key) const {
        if (filler.type == FillerOptions::Type::uniform && filler.min > filler.max)
            fail(key, text("min ", filler.min, " is more than max ", filler.max));
    }

    void check(const ConvolutionOptions& o) const {
        check_kernel(o);
        if (o.num_output % o.group != 0)
            fail("group", text("group ", o.group, " does not divide num_output ", o.num_output));
        check(o.weight_filler, "weight_filler");
        check(o.bias_filler, "bias_filler");
    }

    void check(const DeconvolutionOptions& o) const { check(static_cast<const ConvolutionOptions&>(o)); }

    void check(const InnerProductOptions& o) const {
        check(o.weight_filler, "weight_filler");
        check(o.bias_filler, "bias_filler");
    }

    void check(const EmbedOptions& o) const {
        check(o.weight_filler, "weight_filler");
        check(o.bias_filler, "bias_filler");
    }

    void check(const ScaleOptions& o) const {
        check(o.filler, "filler");
        check(o.bias_filler, "bias_filler");
    }

    void check(const BiasOptions& o) const { check(o.filler, "filler"); }

    void check(const PreluOptions& o) const { check(o.filler, "filler"); }

    void check(const EltwiseOptions& o) const {
        if (o.coeff.empty()) return;
        if (o.operation != ops::EltwiseOperation::sum) fail("coeff", "only a sum has coefficients; remove them");
        if (o.coeff.size() != layer_.bottom.size())
            fail("coeff", text(o.coeff.size(), " values for ", layer_.bottom.size(), " bottoms; give one for each"));
    }

    void check(const SliceOptions& o) const {
        if (!o.slice_point.empty() && o.slice_point.size() + 1 != layer_.top.size())
            fail("slice_point", text(o.slice_point.size(), " points for ", layer_.top.size(),
                                     " tops; give one point less than tops, or none for equal parts"));
    }

    template <class Window>
    void check_kernel(const Window& o) const {
        if ((o.kernel_h > 0 && o.kernel_w > 0) || o.kernel_size > 0) return;
        if (o.kernel_size == 0 && o.kernel_h == 0 && o.kernel_w == 0)
            document_.fail(path_, text("layer '", layer_.name, "': missing key 'kernel_size', or kernel_h and kernel_w",
                                       std::is_same_v<Window, PoolingOptions> ? ", or global_pooling" : ""));
        fail(o.kernel_h > 0 ? "kernel_h" : "kernel_w", "give both kernel_h and kernel_w, or kernel_size");
    }

    void check(const PoolingOptions& o) const {
        if (o.global_pooling) {
            if (o.kernel_size > 0 || o.kernel_h > 0 || o.kernel_w > 0 || o.pad > 0 || o.pad_h > 0 || o.pad_w > 0 ||
                o.stride > 1 || o.stride_h > 1 || o.stride_w > 1)
                fail("global_pooling", "global pooling takes no kernel, stride or pad; remove them");
            return;
        }
        check_kernel(o);
        const std::int64_t kernel_h = o.kernel_h > 0 ? o.kernel_h : o.kernel_size;
        const std::int64_t kernel_w = o.kernel_w > 0 ? o.kernel_w : o.kernel_size;
        const std::int64_t pad_h = o.pad_h >= 0 ? o.pad_h : o.pad, pad_w = o.pad_w >= 0 ? o.pad_w : o.pad;
        if (pad_h >= kernel_h) fail_pad(o.pad_h >= 0 ? "pad_h" : "pad", pad_h, kernel_h);
        if (pad_w >= kernel_w) fail_pad(o.pad_w >= 0 ? "pad_w" : "pad", pad_w, kernel_w);
    }

    [[noreturn]] void fail_pad(const char* key, std::int64_t pad, std::int64_t kernel) const {
        fail(key, text("pad ", pad, " must be less than the kernel, ", kernel, ", or windows lie in nothing but pad"));
    }

    void check(const LrnOptions& o) const {
        if (o.local_size % 2 == 0)
            fail("local_size", text("local_size ", o.local_size, " must be odd, so that it has a middle"));
        if (o.norm_region == ops::NormRegion::within_channel && o.k != 1.0)
            fail("k", text("k ", o.k, " has no meaning within a channel, where the constant is 1; remove it"));
    }

    const Document& document_;
    const Path path_;
    const LayerSpec& layer_;
    LayerFacts facts_;
};

/// Divided by one factor after the other, so that no product can overflow. Their product is at most the batch, an int.
void check_shards(const Document& document, const SolverOptions& solver) {
    const std::int64_t per_pass = std::max<std::int64_t>(solver.shards, 1);
    if (solver.global_batch % per_pass != 0)
        document.fail({"solver", "shards"},
                      text("shards ", solver.shards, " does not divide global_batch ", solver.global_batch));
    if (solver.global_batch / per_pass % solver.iter_size != 0)
        document.fail({"solver", "iter_size"}, text("iter_size ", solver.iter_size, " times shards ", per_pass,
                                                    " does not divide global_batch ", solver.global_batch));
}

void check_solver(const Document& document, const SolverOptions& solver) {
    check_shards(document, solver);
    if (solver.clip_gradients == 0.0)
        document.fail({"solver", "clip_gradients"}, "0 would stop the training; write -1 for no clipping");
    using Type = SolverOptions::Type;
    if ((solver.type == Type::adagrad || solver.type == Type::rmsprop) && solver.momentum != 0.0)
        document.fail(
            {"solver", "momentum"},
            text(solver.momentum, ", but adagrad and rmsprop have no momentum; write 0, or take another type"));
    if (solver.type == Type::lars && solver.regularization_type == Regularization::l1)
        document.fail({"solver", "regularization_type"}, "lars is defined with l2 only; write l2, or take type lamb");
    if (solver.lr_scaling != LrScaling::none && solver.base_batch == 0)
        document.fail({"solver", "lr_scaling"},
                      "the factor needs base_batch, the images per update for which base_lr was found; add it");
    if (solver.warmup_iter > solver.max_iter)
        document.fail({"solver", "warmup_iter"},
                      text("a warm-up of ", solver.warmup_iter, " is longer than the run, max_iter ", solver.max_iter));
    const auto& steps = solver.lr_policy.stepvalue;
    const auto fault = std::adjacent_find(steps.begin(), steps.end(), std::greater_equal<>());
    if (fault != steps.end())
        document.fail({"solver", "lr_policy", "stepvalue", std::to_string(fault - steps.begin() + 1)},
                      text(fault[1], " after ", fault[0], ": the steps must increase"));
}

}  // namespace

void check_net(const Document& document, const Path& path, const NetSpec& net) {
    std::map<std::string, std::size_t> first;
    for (std::size_t i = 0; i < net.layers.size(); ++i) {
        Path at = path;
        at.insert(at.end(), {"layers", std::to_string(i)});
        const auto [earlier, is_new] = first.emplace(net.layers[i].name, i);
        if (!is_new) {
            at.push_back("name");
            document.fail(at,
                          text("duplicate layer name '", net.layers[i].name, "'; layers/", earlier->second, " has it"));
        }
        LayerCheck(document, at, net.layers[i]).run();
    }
}

void check_train(const Document& document, const TrainOptions& options) {
    check_net(document, {"net"}, options.net);
    check_solver(document, options.solver);
    if (const std::int64_t crops = options.data.transform.test_crops; crops != 1 && crops != 10)
        document.fail({"data", "transform", "test_crops"}, text(crops, " crops; use 1 (the centre) or 10"));
    if (options.compute.loss_scale != kDynamicLossScale && options.compute.precision != Precision::float16)
        document.fail({"compute", "loss_scale"},
                      text(options.compute.loss_scale, " has no meaning with precision '",
                           precision_name(options.compute.precision), "'; write precision 'float16' beside it, or \"",
                           kDynamicLossScaleName, "\""));
    if (options.solver.test_interval > 0 && is_absent(options.data.test))
        document.fail({"solver", "test_interval"}, "there is no data.test to evaluate on; add it, or write 0");
}

}  // namespace firecaffe::config
