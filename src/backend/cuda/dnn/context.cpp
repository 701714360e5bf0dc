// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/dnn/context.hpp"

#include <map>
#include <memory>
#include <mutex>

#include "device/cuda/check.hpp"
#include "firecaffe/device/cuda.hpp"

namespace firecaffe::cuda::dnn {

namespace {

PlanCache& plans_of(const std::string& device) {
    static std::mutex mutex;
    static std::map<std::string, PlanCache> caches;
    const std::lock_guard lock(mutex);
    return caches.try_emplace(device, cudnnGetVersion(), device).first->second;
}

}  // namespace

Context& Context::current() {
    thread_local std::map<int, std::unique_ptr<Context>> contexts;
    const int device = current_cuda_device();
    auto& context = contexts[device];
    if (context == nullptr) context = std::make_unique<Context>(device);
    dnn::check(cudnnSetStream(context->handle_, stream()), "cannot set", "the stream", "the calling thread");
    return *context;
}

Context::Context(int device) {
    const CudaDevices devices = cuda_devices();
    if (device >= devices.count()) throw DeviceError("convolution: ", devices.reason);
    const std::string& name = devices.names[static_cast<std::size_t>(device)];
    dnn::check(cudnnCreate(&handle_), "cannot start on", name, "the calling thread");
    target_.emplace(handle_, name);
    plans_ = &plans_of(name);
}

Context::~Context() {
    target_.reset();
    if (handle_ != nullptr) cudnnDestroy(handle_);
}

}  // namespace firecaffe::cuda::dnn
