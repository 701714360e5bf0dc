// SPDX-License-Identifier: Apache-2.0
// What reducers that use a transport have in common.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "firecaffe/comm/transport.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/background.hpp"

namespace firecaffe {

class OnTransport : public BlockingReducer {
  public:
    int rank() const override { return transport_->rank(); }
    int size() const override { return transport_->size(); }
    Memory<Cpu> allocate(std::size_t bytes) override { return transport_->allocate(bytes); }
    void note_progress() noexcept override { transport_->note_progress(); }
    void abort(std::string_view reason) noexcept override {
        try {
            transport_->abort(std::string(reason));
        } catch (...) {  // no memory for the reason: it is the event that matters
            transport_->abort({});
        }
    }
    void close() noexcept override { transport_->close(); }
    std::uint64_t bytes_sent() const override { return transport_->bytes_sent(); }

  protected:
    explicit OnTransport(std::shared_ptr<comm::Transport> transport) : transport_(std::move(transport)) {}
    comm::Transport& transport() const { return *transport_; }

  private:
    std::shared_ptr<comm::Transport> transport_;
};

/// By which ranks know that they speak of the same request. An executor puts in what it sends instead.
inline comm::OperationTag tag_of(const ReduceRequest& request, std::uint64_t sequence) {
    return {.sequence = sequence,
            .bucket = request.bucket,
            .step = request.step,
            .dtype = request.dtype,
            .count = request.count};
}

/// Throws UsageError for a null transport, and for a plan that is not for as many ranks as it has.
inline void require_fit(const std::shared_ptr<comm::Transport>& transport, const comm::Plan& plan) {
    if (transport == nullptr)
        throw UsageError("a reducer that runs a plan needs a transport; pass one, or use 'local'");
    if (plan.ranks != transport->size())
        throw UsageError("a plan '", plan.scheme, "' for ", plan.ranks, " ranks, but the transport has ",
                         transport->size(), "; plan for the transport's size()");
}

}  // namespace firecaffe
