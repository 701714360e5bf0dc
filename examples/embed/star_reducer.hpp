// SPDX-License-Identifier: Apache-2.0
// A reduction scheme of this project's own: everybody sends to rank 0, which adds and sends the sum back. The centre
// adds along the canonical tree over shards, so that the bits equal those of every other scheme that keeps it.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/reducer.hpp"

namespace embed {

/// Works when it is waited for, in the order of submission: simple, but nothing hides behind the backward pass.
class StarReducer final : public firecaffe::Reducer {
  public:
    StarReducer(std::shared_ptr<firecaffe::comm::Transport> transport, int shards)
        : transport_(std::move(transport)), shards_(shards) {}

    std::string_view name() const override { return "star"; }
    int rank() const override { return transport_->rank(); }
    int size() const override { return transport_->size(); }
    bool canonical() const override { return true; }

    firecaffe::Ticket submit(const firecaffe::ReduceRequest& request) override {
        queue_.push_back({request, {request.partials.begin(), request.partials.end()}});
        return ++submitted_;
    }

    void wait(firecaffe::Ticket ticket) override {
        while (done_ < ticket) {
            if (queue_.empty()) throw firecaffe::UsageError("star: no request ", ticket, "; submit it first");
            const Pending& next = queue_.front();
            if (next.request.dtype == firecaffe::DType::float64)
                run<double>(next);
            else
                run<float>(next);
            statistics_.requests += 1;
            statistics_.bytes_reduced += bytes(next);
            queue_.pop_front();
            ++done_;
        }
    }

    void note_progress() noexcept override { transport_->note_progress(); }
    void close() noexcept override { transport_->close(); }
    void abort(std::string_view reason) noexcept override {
        try {
            transport_->abort(std::string(reason));
        } catch (...) {  // no memory for the text: the deadline will tell the others
        }
    }
    firecaffe::ReducerStatistics statistics() const override {
        firecaffe::ReducerStatistics now = statistics_;
        now.bytes_sent = transport_->bytes_sent();
        return now;
    }

  private:
    struct Pending {
        firecaffe::ReduceRequest request;
        std::vector<std::byte*> partials;
    };

    static std::size_t bytes(const Pending& p) { return p.request.count * firecaffe::size_of(p.request.dtype); }

    /// The partial sums that a rank brings.
    std::vector<firecaffe::ShardNode> nodes_of(int rank) const {
        return firecaffe::maximal_nodes(firecaffe::shard_block(rank, size(), shards_), shards_);
    }

    template <class T>
    void run(const Pending& pending) {
        const firecaffe::comm::OperationTag tag{done_, pending.request.bucket, pending.request.step,
                                                pending.request.dtype, pending.request.count};
        if (rank() == 0)
            centre<T>(pending, tag);
        else
            leaf(pending, tag);
    }

    void leaf(const Pending& pending, const firecaffe::comm::OperationTag& tag) {
        std::vector<std::unique_ptr<firecaffe::comm::Transfer>> transfers;
        for (std::size_t i = 0; i < nodes_of(rank()).size(); ++i)
            transfers.push_back(transport_->post_send(0, tag, {pending.partials[i], bytes(pending)}));
        for (const auto& transfer : transfers) transport_->wait(*transfer);
        transport_->wait(*transport_->post_receive(0, tag, {pending.partials[0], bytes(pending)}));
    }

    template <class T>
    void centre(const Pending& pending, const firecaffe::comm::OperationTag& tag) {
        std::vector<Term<T>> terms;
        const auto own = nodes_of(0);
        for (std::size_t i = 0; i < own.size(); ++i)
            terms.push_back({own[i], reinterpret_cast<T*>(pending.partials[i])});
        std::deque<std::vector<T>> received;
        std::vector<std::unique_ptr<firecaffe::comm::Transfer>> transfers;
        for (int peer = 1; peer < size(); ++peer) {
            for (const firecaffe::ShardNode& node : nodes_of(peer)) {
                received.emplace_back(pending.request.count);
                transfers.push_back(
                    transport_->post_receive(peer, tag, std::as_writable_bytes(std::span(received.back()))));
                terms.push_back({node, received.back().data()});
            }
        }
        for (const auto& transfer : transfers) transport_->wait(*transfer);

        const T* sum = value(firecaffe::shard_root(shards_), terms, pending.request.count);
        T* result = reinterpret_cast<T*>(pending.partials[0]);
        if (sum != result) std::copy(sum, sum + pending.request.count, result);

        transfers.clear();
        for (int peer = 1; peer < size(); ++peer)
            transfers.push_back(transport_->post_send(peer, tag, {pending.partials[0], bytes(pending)}));
        for (const auto& transfer : transfers) transport_->wait(*transfer);
    }

    template <class T>
    struct Term {
        firecaffe::ShardNode node;
        T* values;
    };

    /// The value of a node: brought by a rank, or left child + right child, summed into the left child's memory.
    template <class T>
    T* value(const firecaffe::ShardNode& node, const std::vector<Term<T>>& terms, std::size_t count) const {
        for (const Term<T>& term : terms)
            if (term.node == node) return term.values;
        if (node.level == 0) throw firecaffe::InternalError("star: nobody brought shard ", node.index);
        T* left = value({node.level - 1, 2 * node.index}, terms, count);
        const firecaffe::ShardNode right_node{node.level - 1, 2 * node.index + 1};
        if (right_node.begin() >= shards_) return left;
        const T* right = value(right_node, terms, count);
        for (std::size_t i = 0; i < count; ++i) left[i] += right[i];
        return left;
    }

    std::shared_ptr<firecaffe::comm::Transport> transport_;
    int shards_;
    std::deque<Pending> queue_;
    firecaffe::Ticket submitted_ = 0, done_ = 0;
    firecaffe::ReducerStatistics statistics_;
};

}  // namespace embed
