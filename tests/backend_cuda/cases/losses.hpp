// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>
#include <string>
#include <type_traits>

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

/// A LossSum on the device, with room for its parts.
class DeviceSum {
  public:
    DeviceSum() : memory_(static_cast<std::size_t>(1 + ops::kLossParts) * sizeof(ops::LossSum)) {}
    ops::LossSum* get() const { return reinterpret_cast<ops::LossSum*>(memory_.data()); }
    ops::LossSum on_host() const {
        ops::LossSum sum{};
        copy_bytes(get(), Device{}, &sum, Cpu{}, sizeof(sum));
        if constexpr (std::is_same_v<Device, Cuda>) wait_for_current_stream();
        return sum;
    }

  private:
    Memory<Device> memory_;
};

inline void check_same(const DeviceSum& given, const ops::LossSum& expected) {
    const ops::LossSum sum = given.on_host();
    CHECK(sum.counted == expected.counted);
    CHECK(sum.refused.count == 0);
    CHECK(relative_error(sum.loss, expected.loss, 1e-12) < 1e-12);
}

/// A gradient of 0.9 over 3, on the host or on the device.
template <class T, class On>
class SomeScale {
  public:
    SomeScale() : memory_(sizeof(T) + sizeof(ops::LossSum)) {
        const T top = T(0.9);
        const ops::LossSum sum{0.0, 3, {}};
        copy_bytes(&sum, Cpu{}, memory_.data(), On{}, sizeof(sum));
        copy_bytes(&top, Cpu{}, memory_.data() + sizeof(sum), On{}, sizeof(top));
        if constexpr (std::is_same_v<On, Cuda>) wait_for_current_stream();
    }
    ops::LossScale<T> get(std::int64_t divisor = ops::kDivideByCounted, bool negated = false) const {
        return {reinterpret_cast<const T*>(memory_.data() + sizeof(ops::LossSum)),
                reinterpret_cast<const ops::LossSum*>(memory_.data()), divisor, negated};
    }

  private:
    Memory<On> memory_;
};

TEMPLATE_TEST_CASE("softmax and what judges classes are those of the CPU", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    for (const Shape& shape :
         {Shape{9, 10}, Shape{3, 7, 4, 2}, Shape{2, 1000}, Shape{300, 3}, Shape{1, 4, 50, 61}, Shape{0, 5}})
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
            CHECK(error_of(to, dx) <= 10 * Tolerance<T>::kSum);  // dy - dot cancels

            const SomeScale<T, Cpu> scale;
            const SomeScale<T, Device> same_scale;
            ops::LossSum expected;
            const DeviceSum given;
            ops::negative_log_likelihood<T, Cpu>(p.view(), labels.view(), ignored, &expected);
            bodies::negative_log_likelihood<T, Device>(same_p.view(), of.view(), ignored, given.get());
            check_same(given, expected);
            ops::negative_log_likelihood_backward<T, Cpu>(p.view(), labels.view(), ignored, scale.get(), dx.view());
            bodies::negative_log_likelihood_backward<T, Device>(same_p.view(), of.view(), ignored, same_scale.get(),
                                                                to.view());
            CHECK(same_bits(to, dx));
            ops::infogain<T, Cpu>(p.view(), labels.view(), gains.view(), ignored, &expected);
            bodies::infogain<T, Device>(same_p.view(), of.view(), h.view(), ignored, given.get());
            check_same(given, expected);
            ops::infogain_backward<T, Cpu>(p.view(), labels.view(), gains.view(), ignored, scale.get(7), dx.view());
            bodies::infogain_backward<T, Device>(same_p.view(), of.view(), h.view(), ignored, same_scale.get(7),
                                                 to.view());
            CHECK(same_bits(to, dx));
            for (T& value : x.storage()) value = static_cast<T>(static_cast<int>(value));  // ties
            const Tensor<T, Device> tied = sent<Device>(x);
            for (const std::int64_t k : {1, 3, 5}) {
                ops::count_top_k<T, Cpu>(x.view(), labels.view(), k, ignored, &expected);
                bodies::count_top_k<T, Device>(tied.view(), of.view(), k, ignored, given.get());
                CHECK(given.on_host().loss == expected.loss);
                CHECK(given.on_host().counted == expected.counted);
            }
        }
}

TEMPLATE_TEST_CASE("a NaN shows in a loss, and counts as no hit", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    Tensor<T, Cpu> p(Shape{2, 3});
    for (T& value : p.storage()) value = std::numeric_limits<T>::quiet_NaN();
    const Tensor<T, Device> in = sent<Device>(p), labels = sent<Device>(some_labels<T>(2, 3, -1));
    const DeviceSum sum;
    bodies::negative_log_likelihood<T, Device>(in.view(), labels.view(), -1, sum.get());
    CHECK(sum.on_host().loss != sum.on_host().loss);
    CHECK(sum.on_host().refused.count == 0);
    bodies::count_top_k<T, Device>(in.view(), labels.view(), 3, -1, sum.get());
    CHECK(sum.on_host().loss == 0);
}

TEMPLATE_TEST_CASE("a label that is no class is refused in the words of the CPU, but later", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    const auto said = [](const auto& call) -> std::string {
        try {
            call();
        } catch (const DataError& e) {
            return e.what();
        }
        return "nothing was thrown";
    };
    for (const Shape& shape : {Shape{4, 3}, Shape{3, 3, 40, 30}})  // parts of one label, and of more
        for (const T wrong : {T(3), T(-1), T(1.5), std::numeric_limits<T>::quiet_NaN(), T(1e30)}) {
            const std::int64_t positions = shape.count_from(2), predictions = shape[0] * positions;
            const Tensor<T, Cpu> p = random_tensor<T>(shape, 1);
            Tensor<T, Cpu> labels = some_labels<T>(predictions, 3, -1);
            labels.data()[predictions - 2] = wrong;
            labels.data()[predictions - 1] = T(17);
            const Tensor<T, Device> in = sent<Device>(p), of = sent<Device>(labels);
            ops::LossSum unused{};
            const std::string expected =
                said([&] { ops::negative_log_likelihood<T, Cpu>(p.view(), labels.view(), -1, &unused); });
            CHECK(expected.find("of sample 2 of the batch") != std::string::npos);
            const auto check_refused = [&](const DeviceSum& sum) {
                CHECK(sum.on_host().refused.count == 2);
                CHECK(sum.on_host().counted == predictions - 2);
                CHECK(sum.on_host().loss != sum.on_host().loss);
                CHECK(said([&] { bodies::check_labels<T, Device>(sum.get(), positions, 3); }) == expected);
            };
            const DeviceSum likelihood, hits, gain, hinge;
            bodies::check_labels<T, Device>(likelihood.get(), positions, 3);  // nothing has run yet
            bodies::negative_log_likelihood<T, Device>(in.view(), of.view(), -1, likelihood.get());
            bodies::count_top_k<T, Device>(in.view(), of.view(), 1, -1, hits.get());
            const Tensor<T, Device> h = sent<Device>(random_tensor<T>({3, 3}, 2));
            bodies::infogain<T, Device>(in.view(), of.view(), h.view(), -1, gain.get());
            for (const DeviceSum* sum : {&likelihood, &hits, &gain}) check_refused(*sum);
            if (positions == 1) {
                bodies::hinge<T, Device>(in.view(), of.view(), ops::HingeNorm::l1, hinge.get());
                check_refused(hinge);
            }
            const SomeScale<T, Device> scale;
            Tensor<T, Device> to = garbage<T, Device>(p.spec());
            bodies::negative_log_likelihood_backward<T, Device>(in.view(), of.view(), -1, scale.get(), to.view());
            CHECK(received(to).data()[p.shape().count() - 1] == 0);

            // What the next pass finds is all that is said then.
            const Tensor<T, Device> good = sent<Device>(some_labels<T>(predictions, 3, -1));
            bodies::negative_log_likelihood<T, Device>(in.view(), good.view(), -1, likelihood.get());
            CHECK_NOTHROW(bodies::check_labels<T, Device>(likelihood.get(), positions, 3));
        }
}

TEMPLATE_TEST_CASE("a sum of losses becomes a mean on its device", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    for (const std::int64_t counted : {0, 3})
        for (const std::int64_t divisor : {ops::kDivideByCounted, std::int64_t{0}, std::int64_t{7}}) {
            const ops::LossSum on_host{0.7, counted, {}};
            const DeviceSum sum;
            copy_bytes(&on_host, Cpu{}, sum.get(), Device{}, sizeof(on_host));
            Tensor<T, Device> mean = garbage<T, Device>(TensorSpec{Shape{1}, {}});
            Tensor<T, Cpu> expected(Shape{1});
            bodies::mean_loss<T, Device>(sum.get(), divisor, mean.data());
            ops::mean_loss<T, Cpu>(&on_host, divisor, expected.data());
            CHECK(same_bits(mean, expected));
            const std::int64_t by = divisor == ops::kDivideByCounted ? counted : divisor;
            CHECK(expected.data()[0] == static_cast<T>(0.7 / static_cast<double>(by < 1 ? 1 : by)));
        }
}

TEMPLATE_TEST_CASE("hinge loss and losses of elements are those of the CPU", "[cuda]", float, double) {
    if (!ready()) return;
    using T = TestType;
    const Shape shape{350, 11};  // more elements than parts
    const Tensor<T, Cpu> x = random_tensor<T>(shape, 1), labels = some_labels<T>(350, 11, -1);
    Tensor<T, Cpu> t = random_tensor<T>(shape, 2), dx(shape);
    for (std::int64_t i = 0; i < t.shape().count(); ++i) t.data()[i] = i % 4 == 0 ? T(7) : T(i % 2);
    const Tensor<T, Device> in = sent<Device>(x), of = sent<Device>(labels), wanted = sent<Device>(t);
    Tensor<T, Device> to = garbage<T, Device>(x.spec());
    const SomeScale<T, Cpu> scale;
    const SomeScale<T, Device> same_scale;
    ops::LossSum expected;
    const DeviceSum given;
    for (const ops::HingeNorm norm : {ops::HingeNorm::l1, ops::HingeNorm::l2}) {
        ops::hinge<T, Cpu>(x.view(), labels.view(), norm, &expected);
        bodies::hinge<T, Device>(in.view(), of.view(), norm, given.get());
        check_same(given, expected);
        ops::hinge_backward<T, Cpu>(x.view(), labels.view(), norm, scale.get(70), dx.view());
        bodies::hinge_backward<T, Device>(in.view(), of.view(), norm, same_scale.get(70), to.view());
        CHECK(same_bits(to, dx));
    }
    ops::squared_distance<T, Cpu>(x.view(), t.view(), &expected);
    bodies::squared_distance<T, Device>(in.view(), wanted.view(), given.get());
    check_same(given, expected);
    for (const bool negated : {false, true}) {
        ops::scaled_difference<T, Cpu>(x.view(), t.view(), scale.get(70, negated), dx.view());
        bodies::scaled_difference<T, Device>(in.view(), wanted.view(), same_scale.get(70, negated), to.view());
        CHECK(same_bits(to, dx));
    }
    for (const std::int64_t ignored : {-1, 7}) {
        ops::sigmoid_cross_entropy<T, Cpu>(x.view(), t.view(), ignored, &expected);
        bodies::sigmoid_cross_entropy<T, Device>(in.view(), wanted.view(), ignored, given.get());
        check_same(given, expected);
        ops::sigmoid_cross_entropy_backward<T, Cpu>(x.view(), t.view(), ignored, scale.get(), dx.view());
        bodies::sigmoid_cross_entropy_backward<T, Device>(in.view(), wanted.view(), ignored, same_scale.get(),
                                                          to.view());
        CHECK(error_of(to, dx) <= 10 * Tolerance<T>::kElementwise);
    }
}

}  // namespace firecaffe::testing
