// SPDX-License-Identifier: Apache-2.0
// One descriptor of cuDNN's graph interface: created, given attributes, finalized, asked, destroyed.
//
//   Descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, "convolution of 8x3x32x32");
//   tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_DATA_FLOAT).set(...).finalize();
//
// The attribute's type follows from the value's, so the two cannot disagree. Whatever fails throws DnnError, which
// names the call, the attribute, the status, cuDNN's own message and the place that the descriptor was made for.
#pragma once

#include <cudnn.h>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backend/cuda/dnn/status.hpp"

namespace firecaffe::cuda::dnn {

/// cuDNN's name for the type of an attribute.
// clang-format off
template <class T> inline constexpr int attribute_type = -1;
template <> inline constexpr int attribute_type<cudnnHandle_t> = CUDNN_TYPE_HANDLE;
template <> inline constexpr int attribute_type<cudnnDataType_t> = CUDNN_TYPE_DATA_TYPE;
template <> inline constexpr int attribute_type<bool> = CUDNN_TYPE_BOOLEAN;
template <> inline constexpr int attribute_type<std::int64_t> = CUDNN_TYPE_INT64;
template <> inline constexpr int attribute_type<std::int32_t> = CUDNN_TYPE_INT32;
template <> inline constexpr int attribute_type<float> = CUDNN_TYPE_FLOAT;
template <> inline constexpr int attribute_type<double> = CUDNN_TYPE_DOUBLE;
template <> inline constexpr int attribute_type<void*> = CUDNN_TYPE_VOID_PTR;
template <> inline constexpr int attribute_type<char> = CUDNN_TYPE_CHAR;
template <> inline constexpr int attribute_type<cudnnConvolutionMode_t> = CUDNN_TYPE_CONVOLUTION_MODE;
template <> inline constexpr int attribute_type<cudnnBackendHeurMode_t> = CUDNN_TYPE_HEUR_MODE;
template <> inline constexpr int attribute_type<cudnnPointwiseMode_t> = CUDNN_TYPE_POINTWISE_MODE;
template <> inline constexpr int attribute_type<cudnnBackendNumericalNote_t> = CUDNN_TYPE_NUMERICAL_NOTE;
template <> inline constexpr int attribute_type<cudnnBackendBehaviorNote_t> = CUDNN_TYPE_BEHAVIOR_NOTE;
// clang-format on

template <class T>
concept Attribute = (attribute_type<T> >= 0);

class Descriptor {
  public:
    /// `place`: which op and which shapes, for messages.
    Descriptor(cudnnBackendDescriptorType_t kind, std::string place);
    Descriptor(Descriptor&& other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)), kind_(other.kind_), place_(std::move(other.place_)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(kind_, other.kind_);
        std::swap(place_, other.place_);
        return *this;
    }
    ~Descriptor();

    template <Attribute T>
    Descriptor& set(cudnnBackendAttributeName_t name, T value) {
        return set_raw(name, attribute_type<T>, 1, &value);
    }
    template <Attribute T>
    Descriptor& set(cudnnBackendAttributeName_t name, std::span<const T> values) {
        return set_raw(name, attribute_type<T>, std::ssize(values), values.data());
    }
    /// cuDNN copies what it needs of `other`, which must be finalized.
    Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& other);
    Descriptor& set(cudnnBackendAttributeName_t name, std::span<const Descriptor* const> others);

    /// Throws DnnError; where cuDNN merely has no code for it, `is_refusal(error.answer())`.
    Descriptor& finalize();
    /// The same without an exception, for those who try many.
    cudnnStatus_t try_finalize() { return cudnnBackendFinalize(handle_); }

    template <Attribute T>
    T get(cudnnBackendAttributeName_t name) const {
        T value{};
        std::int64_t count = 0;
        get_raw(name, attribute_type<T>, 1, &count, &value);
        return value;
    }
    /// At most `most` values.
    template <Attribute T>
    std::vector<T> get_all(cudnnBackendAttributeName_t name, std::int64_t most) const {
        std::vector<T> values(static_cast<std::size_t>(most));
        std::int64_t count = 0;
        get_raw(name, attribute_type<T>, most, &count, values.data());
        values.resize(static_cast<std::size_t>(std::min(count, most)));
        return values;
    }
    /// A text attribute, whose length is asked first.
    std::string get_text(cudnnBackendAttributeName_t name) const;
    /// Descriptors of one kind, filled in by cuDNN, as many as there are.
    std::vector<Descriptor> get_descriptors(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t kind) const;

    cudnnBackendDescriptor_t handle() const { return handle_; }
    const std::string& place() const { return place_; }

  private:
    Descriptor& set_raw(cudnnBackendAttributeName_t, int type, std::int64_t count, const void* values);
    void get_raw(cudnnBackendAttributeName_t, int type, std::int64_t most, std::int64_t* count, void* values) const;

    cudnnBackendDescriptor_t handle_ = nullptr;
    cudnnBackendDescriptorType_t kind_;
    std::string place_;
};

}  // namespace firecaffe::cuda::dnn
