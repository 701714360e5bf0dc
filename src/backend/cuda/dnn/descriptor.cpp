// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/dnn/descriptor.hpp"

namespace firecaffe::cuda::dnn {

Descriptor::Descriptor(cudnnBackendDescriptorType_t kind, std::string place) : kind_(kind), place_(std::move(place)) {
    check(cudnnBackendCreateDescriptor(kind, &handle_), "cannot create", name_of(kind), place_);
}

Descriptor::~Descriptor() {
    if (handle_ != nullptr) cudnnBackendDestroyDescriptor(handle_);
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other.handle_);
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, std::span<const Descriptor* const> others) {
    std::vector<cudnnBackendDescriptor_t> handles;
    for (const Descriptor* other : others) handles.push_back(other->handle_);
    return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::ssize(handles), handles.data());
}

Descriptor& Descriptor::finalize() {
    check(try_finalize(), "cannot finalize", name_of(kind_), place_);
    return *this;
}

std::string Descriptor::get_text(cudnnBackendAttributeName_t name) const {
    std::int64_t count = 0;
    get_raw(name, CUDNN_TYPE_CHAR, 0, &count, nullptr);
    std::string words(static_cast<std::size_t>(count), '\0');
    get_raw(name, CUDNN_TYPE_CHAR, count, &count, words.data());
    while (!words.empty() && words.back() == '\0') words.pop_back();
    return words;
}

std::vector<Descriptor> Descriptor::get_descriptors(cudnnBackendAttributeName_t name,
                                                    cudnnBackendDescriptorType_t kind) const {
    std::int64_t count = 0;
    get_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr);
    std::vector<Descriptor> found;
    std::vector<cudnnBackendDescriptor_t> handles;
    for (std::int64_t i = 0; i < count; ++i) {
        found.emplace_back(kind, place_);
        handles.push_back(found.back().handle_);
    }
    if (count == 0) return found;
    std::int64_t written = 0;
    get_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &written, handles.data());
    while (std::ssize(found) > written) found.pop_back();
    return found;
}

Descriptor& Descriptor::set_raw(cudnnBackendAttributeName_t name, int type, std::int64_t count, const void* values) {
    check(cudnnBackendSetAttribute(handle_, name, static_cast<cudnnBackendAttributeType_t>(type), count, values),
          "cannot set", name_of(name), place_);
    return *this;
}

void Descriptor::get_raw(cudnnBackendAttributeName_t name, int type, std::int64_t most, std::int64_t* count,
                         void* values) const {
    check(cudnnBackendGetAttribute(handle_, name, static_cast<cudnnBackendAttributeType_t>(type), most, count, values),
          "cannot read", name_of(name), place_);
}

}  // namespace firecaffe::cuda::dnn
