// SPDX-License-Identifier: Apache-2.0
// Random nets with branches, joins, in place layers and several losses: the planned memory may change no bit.
#include "catch.hpp"

#include "firecaffe/net/builder.hpp"
#include "support/net_check.hpp"
#include "support/plain_layers.hpp"

using namespace firecaffe;
using firecaffe::testing::largest_gradient_error;
using firecaffe::testing::NetUnderTest;
using firecaffe::testing::plain_registry;

namespace {

/// Draws a net that is a function of its number. All blobs are N x C x 6 x 6 but for those behind inner products.
class RandomNet {
  public:
    RandomNet(std::uint32_t number, bool smooth) : random_(9, RandomPurpose::user, number), smooth_(smooth) {
        convolution("data");
        const std::uint32_t layers = 4 + below(9);
        for (std::uint32_t i = 0; i < layers; ++i) layer();
        const std::uint32_t losses = 1 + below(2);
        for (std::uint32_t i = 0; i < losses; ++i) loss();
    }

    NetSpec spec;
    std::vector<std::string> blobs;  ///< those that stand for images

  private:
    std::uint32_t below(std::uint32_t bound) { return random_.below(draws_++, bound); }
    std::string pick() { return blobs[below(static_cast<std::uint32_t>(blobs.size()))]; }

    void add(const std::string& type, std::vector<std::string> bottom, std::string top, LayerOptions options) {
        LayerSpec l;
        l.name = type + std::to_string(spec.layers.size());
        l.type = type;
        l.bottom = std::move(bottom);
        l.top = {top.empty() ? l.name : std::move(top)};
        l.options = std::move(options);
        spec.layers.push_back(std::move(l));
    }
    void keep_last() {
        const std::string& top = spec.layers.back().top[0];
        if (std::find(blobs.begin(), blobs.end(), top) == blobs.end()) blobs.push_back(top);
    }
    static ConvolutionOptions same_size(std::int64_t num_output) {
        return {.num_output = num_output,
                .kernel_size = 3,
                .pad = 1,
                .weight_filler = msra(),
                .bias_filler = gaussian(0.2)};
    }
    void convolution(const std::string& bottom) {
        ConvolutionOptions options = same_size(2 + below(3));
        if (below(2) == 0) options.kernel_size = 1, options.pad = 0;  // which may run together with others
        add("Convolution", {bottom}, "", options);
        keep_last();
    }
    /// In place half of the time; the newest blobs are the likelier bottoms, so that chains grow.
    void layer() {
        const std::string bottom = below(2) == 0 ? blobs.back() : pick();
        const std::string top = below(2) == 0 ? bottom : "";
        switch (below(smooth_ ? 18 : 22)) {
            case 0:
                convolution(bottom);
                return;
            case 1:
                add("Dropout", {bottom}, top, DropoutOptions{.dropout_ratio = 0.25});
                break;
            case 2:
                add("LRN", {bottom}, "", LrnOptions{.local_size = 3, .alpha = 0.5});
                break;
            case 3:
                add("Pooling", {bottom}, "",
                    PoolingOptions{.pool = ops::PoolMethod::average, .kernel_size = 3, .pad = 1});
                break;
            case 4:
                add("Concat", {bottom, pick()}, "", ConcatOptions{});
                break;
            case 5:
                add("Softmax", {bottom}, "", SoftmaxOptions{});
                break;
            case 6:
                add("Sigmoid", {bottom}, top, SigmoidOptions{});
                break;
            case 7:
                add("TanH", {bottom}, top, TanhOptions{});
                break;
            case 8:
                add("Power", {bottom}, top, PowerOptions{.power = 1.0 + below(2), .scale = 0.25, .shift = 0.1});
                break;
            case 9:
                add("Reshape", {bottom}, top, ReshapeOptions{.shape = {0, 0, 6, -1}});
                break;
            case 10:
                split_and_meet(bottom);
                break;
            case 11:
                cut_and_join(bottom);
                break;
            case 12:
                add("Eltwise", {bottom, bottom}, "", EltwiseOptions{.coeff = {0.75, -0.5}});
                break;
            case 13:
                add("BatchNorm", {bottom}, top, BatchNormOptions{.eps = 0.1});
                break;
            case 14:
                add("Scale", {bottom}, top,
                    ScaleOptions{.bias_term = below(2) == 0, .filler = gaussian(1), .bias_filler = gaussian(0.2)});
                break;
            case 15:
                add("Bias", {bottom}, top, BiasOptions{.filler = gaussian(0.2)});
                break;
            case 16:
                add("Deconvolution", {bottom}, "", DeconvolutionOptions{same_size(2 + below(3))});
                break;
            case 17:
                share(bottom);
                break;
            case 18:
                add("ELU", {bottom}, top, EluOptions{});
                break;
            case 19:
                add("PReLU", {bottom}, top, PreluOptions{.filler = gaussian(0.3)});
                break;
            case 20:
                add("Pooling", {bottom}, "", PoolingOptions{.kernel_size = 3, .pad = 1});
                break;
            default:
                add("ReLU", {bottom}, top, ReluOptions{.negative_slope = 0.1 * below(2)});
                break;
        }
        keep_last();
    }
    /// One top of a split is worked on, in place or not, and then combined with the other.
    void split_and_meet(const std::string& bottom) {
        const std::string name = "split" + std::to_string(spec.layers.size()), first = name + "a", second = name + "b";
        add("Split", {bottom}, first, SplitOptions{});
        spec.layers.back().top.push_back(second);
        add("TanH", {first}, below(2) == 0 ? first : "", TanhOptions{});
        const std::string changed = spec.layers.back().top[0];
        const auto operation = below(2) == 0 ? ops::EltwiseOperation::sum : ops::EltwiseOperation::prod;
        add("Eltwise", {second, changed}, "", EltwiseOptions{.operation = operation});
    }

    /// Two convolutions with one weight and one bias, the second after the first or beside it.
    void share(const std::string& bottom) {
        add("Convolution", {bottom}, "", same_size(3));
        const std::string before = spec.layers.back().top[0];
        const std::vector<ParamOptions> names{{.name = before + ".filter"}, {.name = before + ".offset"}};
        add("Convolution", {before}, "", same_size(3));
        spec.layers.back().param = names;
        const std::string first = spec.layers.back().top[0];
        add("Convolution", {below(2) == 0 ? first : before}, "", same_size(3));
        spec.layers.back().param = names;
        add("Eltwise", {first, spec.layers.back().top[0]}, "", EltwiseOptions{});
    }

    /// Upper and lower half change places.
    void cut_and_join(const std::string& bottom) {
        const std::string name = "cut" + std::to_string(spec.layers.size()), upper = name + "u", lower = name + "l";
        add("Slice", {bottom}, upper, SliceOptions{.axis = 2});
        spec.layers.back().top.push_back(lower);
        add("Concat", {lower, upper}, "", ConcatOptions{.axis = -2});
    }

    void loss() {
        add("InnerProduct", {pick()}, "", InnerProductOptions{.num_output = 3, .weight_filler = xavier()});
        const std::string scores = spec.layers.back().top[0];
        add("SoftmaxWithLoss", {scores, "label"}, "", SoftmaxWithLossOptions{.loss_weight = 0.5 + below(2)});
    }

    RandomStream random_;
    bool smooth_;
    std::uint64_t draws_ = 0;
};

template <class T>
void check_against_plain_memory(std::uint32_t number) {
    const RandomNet random(number, false);
    const Shape data{2, 2, 6, 6};
    NetUnderTest<T> planned(random.spec, data, 3);
    NetUnderTest<T> plain(random.spec, data, 3, 3, plain_registry<T>());
    INFO("net " << number);
    for (int pass = 0; pass < 2; ++pass) {  // the second one finds what the first one left in the shared memory
        planned.key.step = plain.key.step = static_cast<std::uint32_t>(pass);
        REQUIRE(planned.loss() == plain.loss());
        planned.net.backward(planned.key, planned.gradients);
        plain.net.backward(plain.key, plain.gradients);
        for (const ParameterInfo& p : plain.net.layout().parameters()) {
            INFO(p.name);
            REQUIRE(std::ranges::equal(planned.gradients.of(p), plain.gradients.of(p)));
        }
    }
}

/// Each sum of a convolution that runs together with others is the same, but gradients of a bottom are added otherwise.
void check_against_unmerged(std::uint32_t number) {
    const RandomNet random(number, false);
    const NetOptions merged{.data = Shape{2, 2, 6, 6}, .merge_siblings = true};
    NetUnderTest<double> together(random.spec, merged, 3), apart(random.spec, merged.data, 3);
    INFO("net " << number);
    for (int pass = 0; pass < 2; ++pass) {
        together.key.step = apart.key.step = static_cast<std::uint32_t>(pass);
        REQUIRE(together.loss() == apart.loss());
        together.net.backward(together.key, together.gradients);
        apart.net.backward(apart.key, apart.gradients);
        double largest = 0, worst = 0;
        for (std::size_t i = 0; i < apart.gradients.values().size(); ++i) {
            const double wanted = apart.gradients.values()[i];
            largest = std::max(largest, std::abs(wanted));
            worst = std::max(worst, std::abs(together.gradients.values()[i] - wanted));
        }
        REQUIRE(worst <= 1e-12 * largest);
    }
}

}  // namespace

TEST_CASE("random nets: layers that run together change gradients by roundings only") {
    for (std::uint32_t number = 0; number < 200; ++number) check_against_unmerged(number);
}

TEST_CASE("random nets: memory that is shared and layers that run in place change no gradient") {
    for (std::uint32_t number = 0; number < 150; ++number) {
        check_against_plain_memory<double>(number);
        check_against_plain_memory<float>(number);
    }
}

TEST_CASE("random nets for testing: what is kept and shared changes no output") {
    for (std::uint32_t number = 0; number < 100; ++number) {
        const RandomNet random(number, false);
        std::vector<std::string> retain{random.blobs.back(), random.blobs[number % random.blobs.size()]};
        const NetOptions options{.data = Shape{2, 2, 6, 6}, .phase = Phase::test, .retain = retain};
        Net<float, Cpu> planned(random.spec, options, LayerRegistry<float, Cpu>::with_builtin());
        Net<float, Cpu> plain(random.spec, options, plain_registry<float>());
        Arena<float, Cpu> parameters(plain.layout());
        plain.initialize(parameters, 4);
        for (Net<float, Cpu>* net : {&planned, &plain}) {
            net->bind(parameters);
            const RandomStream pixels(4, RandomPurpose::user, 1);
            for (std::size_t i = 0; i < net->data().storage().size(); ++i)
                net->data().storage()[i] = static_cast<float>(pixels.normal(i));
        }
        INFO("net " << number);
        REQUIRE(planned.forward({}) == plain.forward({}));
        for (const std::string& blob : retain)
            REQUIRE(std::ranges::equal(planned.blob(blob).storage(), plain.blob(blob).storage()));
    }
}

TEST_CASE("random smooth nets: gradients agree with differences of the loss") {
    for (std::uint32_t number = 0; number < 25; ++number) {
        NetUnderTest<double> t(RandomNet(number, true).spec, Shape{2, 2, 6, 6}, 3);
        std::string where;
        const double error = largest_gradient_error(t, where);
        INFO("net " << number << ": " << where);
        CHECK(error < 1e-6);
    }
}
