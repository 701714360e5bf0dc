// SPDX-License-Identifier: Apache-2.0
// InfogainLoss: loss = -sum over classes c of H[label, c] log p[c] / normalizer, p = softmax(scores) over the channels.
#pragma once

#include <type_traits>
#include <utility>

#include "firecaffe/device/stream.hpp"
#include "firecaffe/layers/layer.hpp"
#include "firecaffe/layers/loss_normalizer.hpp"
#include "firecaffe/ops/class_loss.hpp"
#include "firecaffe/ops/ops.hpp"
#include "firecaffe/tensor/copy.hpp"

namespace firecaffe {

/// Bottoms: scores N x C x spatial, labels N x spatial (class numbers as T), and H, C * C numbers row by row, unless
/// the options state it. Top: the loss, a scalar. As in Caffe 1.0 the softmax is part of the layer (in earlier versions
/// the bottom was probabilities). With the identity for H it is SoftmaxWithLoss, but for the least probability, 1e-20.
/// Throws DataError for a label outside [0, C) that is not ignore_label.
template <class T, class Device>
class InfogainLossLayer final : public Layer<T, Device> {
  public:
    explicit InfogainLossLayer(InfogainLossOptions options) : options_(std::move(options)) {}

    LayerPlan setup(std::span<const TensorSpec> bottoms, Phase) override {
        const Shape& scores = bottoms[0].shape;
        require_label_per_prediction(scores, bottoms[1].shape);
        probabilities_ = Tensor<T, Device>(scores);
        sum_ = ops::LossMemory<Device>::allocated();
        divisor_ = loss_divisor(options_.normalization, bottoms[1].shape.count(), scores[0]);
        classes_ = scores[1];
        positions_ = scores.count_from(2);
        if (bottoms.size() > 2)
            check_bottom(bottoms[2].shape, scores);
        else
            take_matrix(scores[1]);
        return {{TensorSpec{}}, {}};
    }
    bool differentiates_bottom(std::size_t bottom) const override { return bottom == 0; }
    bool reads_exact(std::size_t bottom) const override { return bottom == 1; }
    bool writes_exact(std::size_t) const override { return true; }
    double loss_weight(std::size_t) const override { return options_.loss_weight; }
    bool backward_reads_tops() const override { return false; }

    void forward(const ForwardPass<T, Device>& pass) override {
        ops::softmax<T, Device>(pass.bottoms[0], probabilities_.view());
        ops::infogain<T, Device>(std::as_const(probabilities_).view(), pass.bottoms[1], matrix(pass.bottoms),
                                 options_.ignore_label, sum_.get());
        ops::mean_loss<T, Device>(sum_.get(), divisor_, pass.tops[0].data());
    }
    void backward(const BackwardPass<T, Device>& pass) override {
        ops::infogain_backward<T, Device>(std::as_const(probabilities_).view(), pass.bottoms[1], matrix(pass.bottoms),
                                          options_.ignore_label, {pass.top_diffs[0].data(), sum_.get(), divisor_},
                                          pass.bottom_diffs[0]);
    }
    void check_last_pass() override { ops::check_labels<T, Device>(sum_.get(), positions_, classes_); }

  private:
    void check_bottom(const Shape& h, const Shape& scores) const {
        if (!options_.infogain_matrix.empty())
            throw ConfigError("H is given twice, as infogain_matrix and as the third bottom; remove one");
        if (h.count() != scores[1] * scores[1])
            throw ShapeError("scores are ", scores, " and H ", h, "; it must have ", scores[1], "x", scores[1],
                             " elements, a row for each label");
    }

    void take_matrix(std::int64_t classes) {
        const std::vector<double>& stated = options_.infogain_matrix;
        if (stated.empty()) throw ConfigError("there is no H; state infogain_matrix or give a third bottom");
        if (static_cast<std::int64_t>(stated.size()) != classes * classes)
            throw ConfigError("infogain_matrix has ", stated.size(), " elements; ", classes, " classes need ",
                              classes * classes, ", a row for each label");
        Tensor<T, Cpu> host(Shape{classes, classes});
        for (std::size_t i = 0; i < stated.size(); ++i) host.data()[i] = static_cast<T>(stated[i]);
        matrix_ = Tensor<T, Device>(host.shape());
        queue_copy(host, matrix_);
        if constexpr (std::is_same_v<Device, Cuda>) wait_for_current_stream();  // `host` ends here
    }

    TensorView<const T, Device> matrix(std::span<const TensorView<const T, Device>> bottoms) const {
        return bottoms.size() > 2 ? bottoms[2] : matrix_.view();
    }

    InfogainLossOptions options_;
    Tensor<T, Device> probabilities_, matrix_;
    ops::LossMemory<Device> sum_;
    std::int64_t divisor_ = 1, classes_ = 0, positions_ = 0;
};

}  // namespace firecaffe
