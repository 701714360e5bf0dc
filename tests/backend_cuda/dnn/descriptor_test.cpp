// SPDX-License-Identifier: Apache-2.0
// The layer over cuDNN's graph interface: what it says when something is wrong. None of it needs a GPU.
#include "backend/cuda/dnn/descriptor.hpp"

#include <string>

#include "backend/cuda/dnn/plan.hpp"
#include "catch.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;
using namespace firecaffe::cuda::dnn;

namespace {

template <class F>
std::string message_of(const F& f) {
    try {
        f();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("an error of cuDNN names the call, the attribute, the status, cuDNN's words and the place") {
    Descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, "layer conv1 of 8x3x32x32");
    const std::string set = message_of([&] { tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, 5.0F); });
    INFO(set);
    CHECK(has(set, "cannot set CUDNN_ATTR_TENSOR_DATA_TYPE"));
    CHECK(has(set, "CUDNN_STATUS_BAD_PARAM"));
    CHECK(has(set, "attrType"));
    CHECK(has(set, "for layer conv1 of 8x3x32x32"));
    CHECK(set.find('\n') == std::string::npos);

    const std::string finalize = message_of([&] { tensor.finalize(); });
    INFO(finalize);
    CHECK(has(finalize, "cannot finalize CUDNN_BACKEND_TENSOR_DESCRIPTOR"));
    const std::string get = message_of([&] { (void)tensor.get<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID); });
    INFO(get);
    CHECK(has(get, "cannot read CUDNN_ATTR_TENSOR_UNIQUE_ID"));
}

TEST_CASE("an attribute that has no name here is told by its number") {
    CHECK(name_of(CUDNN_ATTR_RESAMPLE_MODE) == "attribute 1700");
    CHECK(name_of(CUDNN_ATTR_TENSOR_STRIDES) == "CUDNN_ATTR_TENSOR_STRIDES");
    CHECK(name_of(CUDNN_BACKEND_RESAMPLE_DESCRIPTOR) == "descriptor 24");
}

TEST_CASE("a descriptor keeps what it is given, and moves") {
    Descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, "here");
    const TensorGeometry g = channels_last({2, 3, 5, 7});
    tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, std::int64_t{42}).set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_DATA_FLOAT);
    tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<const std::int64_t>(g.extents));
    tensor.set(CUDNN_ATTR_TENSOR_STRIDES, std::span<const std::int64_t>(g.strides));
    tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, kOperandAlignment).finalize();
    Descriptor moved = std::move(tensor);
    CHECK(tensor.handle() == nullptr);
    CHECK(moved.get<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID) == 42);
    CHECK(moved.get_all<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES, 8) == std::vector<std::int64_t>{105, 1, 21, 3});
    Descriptor other(CUDNN_BACKEND_TENSOR_DESCRIPTOR, "there");
    other = std::move(moved);
    CHECK(other.place() == "here");
}

TEST_CASE("a description of a GPU has what cuDNN asks for, and no field too many") {
    const std::string json = to_json(device_description("h200"));
    std::size_t fields = 0;
    for (std::size_t at = json.find("\": "); at != std::string::npos; at = json.find("\": ", at + 1)) {
        ++fields;
        std::string other = json;
        other[at - 1] = '_';  // another name
        Descriptor properties(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "a GPU");
        properties.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, std::span<const char>(other));
        const std::string error = message_of([&] { properties.finalize(); });
        INFO(other);
        CHECK(has(error, "cannot finalize CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR"));
        CHECK(has(error, "HasMember"));
    }
    CHECK(fields == 23);
}

TEST_CASE("all described GPUs are accepted, and an unknown one is answered with their names") {
    for (const DeviceDescription& device : known_devices()) {
        INFO(device.short_name);
        const Target target(device);
        CHECK(target.is_described());
        CHECK(target.name() == device.name);
        Problem problem;
        problem.geometry.num_output = 64, problem.geometry.kernel_h = problem.geometry.kernel_w = 3;
        problem.input = Shape{8, 64, 16, 16};
        CHECK_FALSE(make_plans(problem, target, std::int64_t{64} << 20, 1).empty());
    }
    CHECK(has(message_of([] { (void)device_description("k20"); }), "h200, h100, a100"));
}

TEST_CASE("types that cuDNN has no convolution of") {
    CHECK(has(message_of([] { (void)data_type(DType::int64); }), "int64"));
}
