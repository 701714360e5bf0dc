// SPDX-License-Identifier: Apache-2.0
// Bad geometry, wrong tensors and steps out of order are refused, by name.
#include <string>
#include <string_view>

#include "backend_cpu/parity.hpp"
#include "catch.hpp"

using namespace firecaffe;
using namespace firecaffe::ops;
using namespace firecaffe::testing;

namespace {

template <class Error, class Run>
std::string refusal(Run run) {
    try {
        run();
    } catch (const Error& error) {
        return error.what();
    }
    return "nothing was refused";
}

bool has(const std::string& message, std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts)
        if (message.find(part) == std::string::npos) {
            UNSCOPED_INFO("no '" << part << "' in: " << message);
            return false;
        }
    return true;
}

ConvolutionGeometry three_by_three(std::int64_t outputs) {
    ConvolutionGeometry g;
    g.num_output = outputs;
    g.kernel_h = g.kernel_w = 3;
    return g;
}

const TensorSpec kInput{{2, 6, 8, 8}, {}};

}  // namespace

TEST_CASE("a convolution that cannot be is refused when it is made") {
    ConvolutionGeometry g = three_by_three(8);
    g.group = 4;
    CHECK(has(refusal<ShapeError>([&] { make_convolution<float, Cpu>(g, kInput); }),
              {"group 4", "6 channels", "num_output 8"}));
    g.group = 1, g.kernel_h = 9;
    CHECK(has(refusal<ShapeError>([&] { make_convolution<float, Cpu>(g, kInput); }),
              {"kernel 9x3", "2x6x8x8", "smaller kernel"}));
    CHECK(has(refusal<ShapeError>([&] { make_convolution<float, Cpu>(three_by_three(8), {{2, 6}, {}}); }), {"2x6"}));
    CHECK(has(refusal<ShapeError>([&] {
                  ConvolutionGeometry padded = three_by_three(8);
                  padded.pad_h = padded.pad_w = 2;
                  make_convolution<float, Cpu>(padded, {{2, 6, 0, 8}, {}});
              }),
              {"2x6x0x8", "empty"}));
    CHECK(has(refusal<ConfigError>([&] {
                  make_convolution<float, Cpu>(three_by_three(8), {{2, 6, 8, 8}, Layout::blocked(4)});
              }),
              {"nChw4c", "8 or 16"}));
}

TEST_CASE("ops refuse tensors that they were not built for, and steps out of order") {
    const auto conv = make_convolution<float, Cpu>(three_by_three(16), kInput);
    const std::vector<float> weight(16 * 6 * 9), bias(16);
    Floats x(kInput), y(conv->output()), blocked(TensorSpec{kInput.shape, Layout::blocked(16)});
    CHECK(has(refusal<UsageError>([&] { conv->forward(x.view(), y.view()); }), {"set_parameters first"}));
    CHECK(has(refusal<UsageError>([&] { conv->backward_data(y.view(), x.view()); }), {"set_parameters first"}));
    CHECK(has(refusal<UsageError>([&] { conv->set_parameters(weight.data(), nullptr); }), {"no bias"}));
    CHECK(has(refusal<UsageError>([&] { conv->set_parameters(nullptr, bias.data()); }), {"no weight"}));
    conv->set_parameters(weight.data(), bias.data());
    CHECK_NOTHROW(conv->forward(x.view(), y.view()));
    CHECK(has(refusal<ShapeError>([&] { conv->forward(blocked.view(), y.view()); }), {"nChw16c", "nchw", "reorder"}));
    CHECK(has(refusal<ShapeError>([&] { conv->backward_data(x.view(), x.view()); }), {"dy is 2x6x8x8"}));

    const auto ip = make_inner_product<float, Cpu>(4, true, kInput);
    Floats scores(ip->output());
    CHECK(has(refusal<UsageError>([&] { ip->forward(x.view(), scores.view()); }), {"set_parameters first"}));
    CHECK(has(refusal<UsageError>([&] { ip->set_parameters(weight.data(), nullptr); }), {"no bias"}));
    CHECK(has(refusal<ConfigError>([&] { make_inner_product<float, Cpu>(0, true, kInput); }), {"num_output is 0"}));

    const auto pool = make_pooling<float, Cpu>({PoolMethod::max, 2, 2}, kInput);
    Floats pooled(pool->output());
    CHECK(has(refusal<UsageError>([&] { pool->backward(pooled.view(), x.view()); }), {"backward before forward"}));
    CHECK(has(refusal<ShapeError>([&] {
                  make_pooling<float, Cpu>({PoolMethod::max, 9, 9}, kInput);
              }),
              {"kernel 9x9", "smaller kernel"}));

    CHECK(has(refusal<ConfigError>([&] { make_lrn<float, Cpu>({4, 1, 1, 1}, kInput); }), {"local_size is 4", "odd"}));
    CHECK(has(refusal<ShapeError>([&] { make_reorder<float, Cpu>(kInput, {{2, 6, 8, 9}, {}}); }), {"2x6x8x9"}));
    CHECK(has(refusal<ConfigError>([&] { make_concat<float, Cpu>({}); }), {"no inputs"}));
    const TensorSpec inputs[] = {kInput, {{2, 6, 8, 7}, {}}};
    CHECK(has(refusal<ShapeError>([&] { make_concat<float, Cpu>(inputs); }), {"input 1 is 2x6x8x7"}));
    const auto concat = make_concat<float, Cpu>(std::span(inputs, 1));
    CHECK(has(refusal<UsageError>([&] { concat->forward({}, x.view()); }), {"0 inputs"}));
}
