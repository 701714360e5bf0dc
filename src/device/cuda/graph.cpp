// SPDX-License-Identifier: Apache-2.0
#include "firecaffe/device/graph.hpp"

#include <cstddef>

#include "device/cuda/check.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe {

WorkGraph::~WorkGraph() {
    if (ready_ != nullptr) (void)cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(ready_));
}

void WorkGraph::begin() {
    const cudaStream_t stream = cuda::stream();
    if (stream == nullptr)
        throw UsageError("work is recorded on the GPU's default stream, which cannot be; set another: StreamScope");
    // What other threads do meanwhile, such as readers that pin memory, is theirs.
    cuda::check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "recording work");
    stream_ = stream;
}

void WorkGraph::discard() noexcept {
    cudaGraph_t graph = nullptr;
    (void)cudaStreamEndCapture(static_cast<cudaStream_t>(stream_), &graph);
    if (graph != nullptr) (void)cudaGraphDestroy(graph);
    (void)cudaGetLastError();
}

void WorkGraph::launch() {
    const auto stream = static_cast<cudaStream_t>(stream_);
    cudaGraph_t graph = nullptr;
    cuda::check(cudaStreamEndCapture(stream, &graph), "recording work");
    std::size_t nodes = 0;
    const cudaError_t counted = cudaGraphGetNodes(graph, nullptr, &nodes);
    if (counted != cudaSuccess || nodes == 0) {
        (void)cudaGraphDestroy(graph);
        return cuda::check(counted, "looking at recorded work");
    }
    auto ready = static_cast<cudaGraphExec_t>(ready_);
    cudaError_t made = cudaSuccess;
    cudaGraphExecUpdateResultInfo difference{};
    if (ready == nullptr || cudaGraphExecUpdate(ready, graph, &difference) != cudaSuccess) {
        (void)cudaGetLastError();  // that it differs is no error
        if (ready != nullptr) (void)cudaGraphExecDestroy(ready);
        ready_ = nullptr;
        made = cudaGraphInstantiate(&ready, graph, 0);
        if (made == cudaSuccess) ready_ = ready;
    }
    (void)cudaGraphDestroy(graph);
    cuda::check(made, "making a graph of recorded work");
    cuda::check(cudaGraphLaunch(ready, stream), "queueing recorded work");
}

}  // namespace firecaffe
