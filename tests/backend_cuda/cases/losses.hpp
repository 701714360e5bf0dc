// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>
#include <string>

#include "backend_cuda/compare.hpp"
#include "firecaffe/ops/class_loss.hpp"
#include "firecaffe/ops/element_loss.hpp"
#include "firecaffe/ops/loss.hpp"
#include "firecaffe/ops/ops.hpp"

namespace firecaffe::testing {

/// Labels of so many predictions: classes, and here and there one more, the class that is ignored.
template <class T>
Tensor<T, Cpu> some_labels(std::int64_t predictions, std::int64_t classes, std::int64_t ignored) {
    Tensor<T, Cpu> labels(Shape{predictions});
    for (std::int64_t i = 0; i < predictions; ++i)
        labels.data()[i] = static_cast<T>(ignored >= 0 && i % 5 == 3 ? ignored : i * 7 % classes);
    return labels;
}

TEMPLATE_TEST_CASE("softmax and what judges classes are those of the CPU", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    for (const Shape& shape : {Shape{9, 10}, Shape{3, 7, 4, 2}, Shape{2, 1000}, Shape{300, 3}, Shape{0, 5}})
        for (const std::int64_t ignored : {std::int64_t{-1}, shape[1] + 5}) {
            INFO(to_string(shape));
            const std::int64_t classes = shape[1], predictions = shape[0] * shape.count_from(2);
            Tensor<T, Cpu> x = random_tensor<T>(shape, 1);
            for (T& value : x.storage()) value *= T(20);
            const Tensor<T, Cpu> labels = some_labels<T>(predictions, classes, ignored),
                                 dy = random_tensor<T>(shape, 2);
            const Tensor<T, Cpu> gains = random_tensor<T>({classes, classes}, 3);
            const Tensor<T, Device> in = sent<Device>(x), of = sent<Device>(labels), gradient = sent<Device>(dy);
            const Tensor<T, Device> h = sent<Device>(gains);
            Tensor<T, Cpu> p(shape), dx(shape);
            Tensor<T, Device> out = garbage<T, Device>(x.spec()), to = garbage<T, Device>(x.spec());

            ops::softmax<T, Cpu>(x.view(), p.view());
            bodies::softmax<T, Device>(in.view(), out.view());
            CHECK(error_of(out, p) <= 10 * Tolerance<T>::kElementwise);
            const Tensor<T, Device> same_p = sent<Device>(p);
            ops::softmax_backward<T, Cpu>(p.view(), dy.view(), dx.view());
            bodies::softmax_backward<T, Device>(same_p.view(), gradient.view(), to.view());
            CHECK(error_of(to, dx) <= Tolerance<T>::kSum);

            const auto check_sum = [](const ops::LossSum& given, const ops::LossSum& expected) {
                CHECK(given.counted == expected.counted);
                CHECK(relative_error(given.loss, expected.loss, 1e-12) < 1e-12);
            };
            check_sum(bodies::negative_log_likelihood<T, Device>(same_p.view(), of.view(), ignored),
                      ops::negative_log_likelihood<T, Cpu>(p.view(), labels.view(), ignored));
            ops::negative_log_likelihood_backward<T, Cpu>(p.view(), labels.view(), ignored, T(0.3), dx.view());
            bodies::negative_log_likelihood_backward<T, Device>(same_p.view(), of.view(), ignored, T(0.3), to.view());
            CHECK(same_bits(to, dx));
            check_sum(bodies::infogain<T, Device>(same_p.view(), of.view(), h.view(), ignored),
                      ops::infogain<T, Cpu>(p.view(), labels.view(), gains.view(), ignored));
            ops::infogain_backward<T, Cpu>(p.view(), labels.view(), gains.view(), ignored, T(0.3), dx.view());
            bodies::infogain_backward<T, Device>(same_p.view(), of.view(), h.view(), ignored, T(0.3), to.view());
            CHECK(same_bits(to, dx));
            for (T& value : x.storage()) value = static_cast<T>(static_cast<int>(value));  // ties
            const Tensor<T, Device> tied = sent<Device>(x);
            for (const std::int64_t k : {1, 3, 5})
                CHECK(bodies::count_top_k<T, Device>(tied.view(), of.view(), k, ignored) ==
                      ops::count_top_k<T, Cpu>(x.view(), labels.view(), k, ignored));
        }
}

TEMPLATE_TEST_CASE("a NaN shows in a loss, and counts as no hit", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    Tensor<T, Cpu> p(Shape{2, 3});
    for (T& value : p.storage()) value = std::numeric_limits<T>::quiet_NaN();
    const Tensor<T, Device> in = sent<Device>(p), labels = sent<Device>(some_labels<T>(2, 3, -1));
    const double loss = bodies::negative_log_likelihood<T, Device>(in.view(), labels.view(), -1).loss;
    CHECK(loss != loss);
    CHECK(bodies::count_top_k<T, Device>(in.view(), labels.view(), 3, -1) == 0);
}

TEMPLATE_TEST_CASE("a label that is no class is refused in the words of the CPU", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    const Tensor<T, Cpu> p = random_tensor<T>({4, 3}, 1);
    const Tensor<T, Device> in = sent<Device>(p);
    const auto said = [](const auto& call) -> std::string {
        try {
            call();
        } catch (const DataError& e) {
            return e.what();
        }
        return "nothing was thrown";
    };
    for (const T wrong : {T(3), T(-1), T(1.5), std::numeric_limits<T>::quiet_NaN(), T(1e30)}) {
        Tensor<T, Cpu> labels = some_labels<T>(4, 3, -1);
        labels.data()[2] = wrong;
        const Tensor<T, Device> of = sent<Device>(labels);
        const std::string expected = said([&] { ops::negative_log_likelihood<T, Cpu>(p.view(), labels.view(), -1); });
        CHECK(said([&] { bodies::negative_log_likelihood<T, Device>(in.view(), of.view(), -1); }) == expected);
        CHECK(said([&] { bodies::count_top_k<T, Device>(in.view(), of.view(), 1, -1); }) == expected);
        CHECK(said([&] { bodies::hinge<T, Device>(in.view(), of.view(), ops::HingeNorm::l1); }) == expected);
        CHECK(expected.find("of sample 2 of the batch") != std::string::npos);
    }
}

TEMPLATE_TEST_CASE("hinge loss and losses of elements are those of the CPU", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    const Shape shape{70, 11};
    const Tensor<T, Cpu> x = random_tensor<T>(shape, 1), labels = some_labels<T>(70, 11, -1);
    Tensor<T, Cpu> t = random_tensor<T>(shape, 2), dx(shape);
    for (std::int64_t i = 0; i < t.shape().count(); ++i) t.data()[i] = i % 4 == 0 ? T(7) : T(i % 2);
    const Tensor<T, Device> in = sent<Device>(x), of = sent<Device>(labels), wanted = sent<Device>(t);
    Tensor<T, Device> to = garbage<T, Device>(x.spec());
    for (const ops::HingeNorm norm : {ops::HingeNorm::l1, ops::HingeNorm::l2}) {
        CHECK(relative_error(bodies::hinge<T, Device>(in.view(), of.view(), norm),
                             ops::hinge<T, Cpu>(x.view(), labels.view(), norm), 1e-12) < 1e-12);
        ops::hinge_backward<T, Cpu>(x.view(), labels.view(), norm, T(0.3), dx.view());
        bodies::hinge_backward<T, Device>(in.view(), of.view(), norm, T(0.3), to.view());
        CHECK(same_bits(to, dx));
    }
    CHECK(relative_error(bodies::squared_distance<T, Device>(in.view(), wanted.view()),
                         ops::squared_distance<T, Cpu>(x.view(), t.view()), 1e-12) < 1e-12);
    ops::scaled_difference<T, Cpu>(x.view(), t.view(), T(0.3), dx.view());
    bodies::scaled_difference<T, Device>(in.view(), wanted.view(), T(0.3), to.view());
    CHECK(same_bits(to, dx));
    for (const std::int64_t ignored : {-1, 7}) {
        const ops::LossSum expected = ops::sigmoid_cross_entropy<T, Cpu>(x.view(), t.view(), ignored);
        const ops::LossSum given = bodies::sigmoid_cross_entropy<T, Device>(in.view(), wanted.view(), ignored);
        CHECK(given.counted == expected.counted);
        CHECK(relative_error(given.loss, expected.loss, 1e-12) < 1e-12);
        ops::sigmoid_cross_entropy_backward<T, Cpu>(x.view(), t.view(), ignored, T(0.3), dx.view());
        bodies::sigmoid_cross_entropy_backward<T, Device>(in.view(), wanted.view(), ignored, T(0.3), to.view());
        CHECK(error_of(to, dx) <= 10 * Tolerance<T>::kElementwise);
    }
}

}  // namespace firecaffe::testing
