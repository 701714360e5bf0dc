// SPDX-License-Identifier: Apache-2.0
// Problems: what plans are looked up by, and how many channels a convolution sees.
#include "backend/cuda/dnn/problem.hpp"

#include <functional>
#include <set>
#include <vector>

#include "backend/cuda/dnn/padding.hpp"
#include "catch.hpp"

using namespace firecaffe;
using namespace firecaffe::cuda::dnn;

namespace {

ops::ConvolutionGeometry plain_geometry() {
    ops::ConvolutionGeometry g;
    g.num_output = 8;
    g.kernel_h = g.kernel_w = 3;
    g.pad_h = g.pad_w = 1;
    return g;
}

}  // namespace

TEST_CASE("whatever changes a plan changes its key") {
    using Change = std::function<void(Problem&)>;
    const auto input_is = [](const Shape& shape) { return [shape](Problem& p) { p.input = shape; }; };
    const std::vector<Change> changes{
        [](Problem&) {},
        [](Problem& p) { p.pass = Pass::data; },
        [](Problem& p) { p.pass = Pass::parameters; },
        [](Problem& p) { p.geometry.num_output = 16; },
        [](Problem& p) { p.geometry.kernel_h = 1; },
        [](Problem& p) { p.geometry.kernel_w = 1; },
        [](Problem& p) { p.geometry.stride_h = 2; },
        [](Problem& p) { p.geometry.stride_w = 2; },
        [](Problem& p) { p.geometry.pad_h = 2; },
        [](Problem& p) { p.geometry.pad_w = 2; },
        [](Problem& p) { p.geometry.dilation_h = 2; },
        [](Problem& p) { p.geometry.dilation_w = 2; },
        [](Problem& p) { p.geometry.group = 2; },
        [](Problem& p) { p.geometry.bias = false; },
        [](Problem& p) { p.geometry.relu = true; },
        input_is(Shape{3, 4, 9, 9}),
        input_is(Shape{2, 8, 9, 9}),
        input_is(Shape{2, 4, 8, 9}),
        input_is(Shape{2, 4, 9, 8}),
        [](Problem& p) { p.dtype = DType::bfloat16; },
        [](Problem& p) { p.dtype = DType::float16; },
        [](Problem& p) { p.math = MathMode::tf32; },
        [](Problem& p) { p.deterministic = false; },
    };
    std::set<std::string> keys;
    for (const Change& change : changes) {
        Problem problem{Pass::forward, plain_geometry(), Shape{2, 4, 9, 9}, DType::float32, MathMode::exact, true};
        change(problem);
        INFO(to_string(problem));
        CHECK(keys.insert(to_string(problem)).second);
    }
    CHECK(keys.size() == changes.size());
}

TEST_CASE("what a pass does not use is not part of its problem") {
    ops::ConvolutionGeometry g = plain_geometry();
    g.relu = true;
    for (const Pass pass : {Pass::data, Pass::parameters}) {
        const Problem problem = make_problem(pass, g, {2, 4, 9, 9}, DType::float32, MathMode::exact, true);
        CHECK_FALSE(problem.geometry.relu);
        CHECK_FALSE(problem.geometry.bias);
    }
    g.bias = false;
    CHECK(make_problem(Pass::forward, g, {2, 4, 9, 9}, DType::float32, MathMode::exact, true).geometry.bias);
    g.relu = false;
    CHECK_FALSE(make_problem(Pass::forward, g, {2, 4, 9, 9}, DType::float32, MathMode::exact, true).geometry.bias);
    CHECK(make_problem(Pass::forward, g, {2, 4, 9, 9}, DType::bfloat16, MathMode::tf32, true).math == MathMode::exact);
    CHECK(make_problem(Pass::forward, g, {2, 4, 9, 9}, DType::float32, MathMode::tf32, true).math == MathMode::tf32);
}

TEST_CASE("shapes of a problem") {
    ops::ConvolutionGeometry g = plain_geometry();
    g.stride_h = g.stride_w = 2, g.group = 2;
    const Problem problem = make_problem(Pass::forward, g, {2, 4, 9, 11}, DType::float32, MathMode::exact, true);
    CHECK(problem.output() == Shape{2, 8, 5, 6});
    CHECK(problem.weight() == Shape{8, 2, 3, 3});
}

TEST_CASE("images get channels of zeros up to one vector of 16 bytes; nothing else does") {
    ops::ConvolutionGeometry g = plain_geometry();
    CHECK(padded_channels(g, 3, DType::float32) == 4);
    CHECK(padded_channels(g, 1, DType::float32) == 4);
    CHECK(padded_channels(g, 3, DType::bfloat16) == 8);
    CHECK(padded_channels(g, 3, DType::float16) == 8);
    CHECK(padded_channels(g, 1, DType::float64) == 2);
    CHECK(padded_channels(g, 4, DType::float32) == 4);
    CHECK(padded_channels(g, 4, DType::bfloat16) == 8);
    CHECK(padded_channels(g, 8, DType::bfloat16) == 8);
    CHECK(padded_channels(g, 20, DType::bfloat16) == 20);
    CHECK(padded_channels(g, 0, DType::float32) == 0);
    CHECK(padded_input(g, {5, 3, 7, 9}, DType::bfloat16) == Shape{5, 8, 7, 9});
    g.group = 3;
    CHECK(padded_channels(g, 3, DType::float32) == 3);
}
