// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/device/stream.hpp"

#include "device/cuda/check.hpp"

namespace firecaffe {

namespace {

cudaStream_t native(const Stream& stream) {
    return static_cast<cudaStream_t>(stream.handle());
}
cudaEvent_t native(const Event& event) {
    return static_cast<cudaEvent_t>(event.handle());
}

}  // namespace

Stream::Stream(Priority priority) {
    int least = 0, greatest = 0;
    cuda::check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "making a stream");
    cudaStream_t stream = nullptr;
    // Not held up by the default stream, which other libraries may use.
    cuda::check(
        cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, priority == Priority::high ? greatest : least),
        "making a stream");
    handle_ = stream;
}

Stream::~Stream() {
    if (handle_ != nullptr) (void)cudaStreamDestroy(native(*this));
}

void Stream::after(const Event& event) {
    cuda::check(cudaStreamWaitEvent(native(*this), native(event), 0), "queueing a wait for an event");
}

void Stream::wait() const {
    cuda::check(cudaStreamSynchronize(native(*this)), "work on a stream");
}

void wait_for_current_stream() {
    cuda::check(cudaStreamSynchronize(cuda::stream()), "work on the current stream");
}

void queue_wait(const Event& event) {
    cuda::check(cudaStreamWaitEvent(cuda::stream(), native(event), 0), "queueing a wait for an event");
}

Event::Event(bool timed) {
    cudaEvent_t event = nullptr;
    cuda::check(cudaEventCreateWithFlags(&event, timed ? cudaEventDefault : cudaEventDisableTiming), "making an event");
    handle_ = event;
}

Event::~Event() {
    if (handle_ != nullptr) (void)cudaEventDestroy(native(*this));
}

void Event::record(const Stream& stream) {
    cuda::check(cudaEventRecord(native(*this), native(stream)), "recording an event");
}

void Event::record() {
    cuda::check(cudaEventRecord(native(*this), cuda::stream()), "recording an event");
}

bool Event::reached() const {
    const cudaError_t status = cudaEventQuery(native(*this));
    if (status == cudaErrorNotReady) return false;
    cuda::check(status, "work before an event");
    return true;
}

void Event::wait() const {
    cuda::check(cudaEventSynchronize(native(*this)), "work before an event");
}

double Event::milliseconds_since(const Event& earlier) const {
    float milliseconds = 0.0F;
    cuda::check(cudaEventElapsedTime(&milliseconds, native(earlier), native(*this)), "reading the time of an event");
    return milliseconds;
}

}  // namespace firecaffe
