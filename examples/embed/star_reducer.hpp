// SPDX-License-Identifier: Apache-2.0
// A reduction scheme of this project's own: everybody sends to rank 0, which adds and sends the sum back. The centre
// adds along the canonical tree over shards, so that the bits equal those of every other scheme that keeps it.
#pragma once

#include <algorithm>
#include <deque>
#include <exception>
#include <memory>
#include <vector>

#include "firecaffe/comm/collective/shard_tree.hpp"
#include "firecaffe/comm/transport.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/background.hpp"

namespace embed {

/// Says how one bucket is summed; firecaffe::BackgroundReducer makes a Reducer of it, with a thread and a queue.
class StarReducer final : public firecaffe::BlockingReducer {
  public:
    StarReducer(std::shared_ptr<firecaffe::comm::Transport> transport, int shards)
        : transport_(std::move(transport)), shards_(shards) {}

    std::string_view name() const override { return "own_star"; }
    int rank() const override { return transport_->rank(); }
    int size() const override { return transport_->size(); }
    bool canonical() const override { return true; }
    int partials() const override { return std::max(1, static_cast<int>(nodes_of(rank()).size())); }

    void reduce(const firecaffe::ReduceRequest& request, std::uint64_t sequence) override {
        const firecaffe::comm::OperationTag tag{sequence, request.bucket, request.step, request.dtype, request.count};
        if (rank() != 0)
            leaf(request, tag);
        else if (request.dtype == firecaffe::DType::float64)
            centre<double>(request, tag);
        else
            centre<float>(request, tag);
    }

    void note_progress() noexcept override { transport_->note_progress(); }
    void close() noexcept override { transport_->close(); }
    void abort(std::string_view reason) noexcept override {
        try {
            transport_->abort(std::string(reason));
        } catch (...) {  // no memory for the text: the deadline will tell the others
        }
    }
    std::uint64_t bytes_sent() const override { return transport_->bytes_sent(); }

  private:
    using Transfers = std::vector<std::unique_ptr<firecaffe::comm::Transfer>>;

    static std::size_t bytes(const firecaffe::ReduceRequest& r) { return r.count * firecaffe::size_of(r.dtype); }

    /// The partial sums that a rank brings.
    std::vector<firecaffe::ShardNode> nodes_of(int rank) const {
        return firecaffe::maximal_nodes(firecaffe::shard_block(rank, size(), shards_), shards_);
    }

    /// Waits for all, also after one has failed: no buffer may go while somebody still writes to it.
    void wait_for(const Transfers& transfers) {
        std::exception_ptr first;
        for (const auto& transfer : transfers) {
            try {
                transport_->wait(*transfer);
            } catch (...) {
                if (!first) first = std::current_exception();
            }
        }
        if (first) std::rethrow_exception(first);
    }

    void leaf(const firecaffe::ReduceRequest& request, const firecaffe::comm::OperationTag& tag) {
        Transfers transfers;
        for (std::size_t i = 0; i < nodes_of(rank()).size(); ++i)
            transfers.push_back(transport_->post_send(0, tag, {request.partials[i], bytes(request)}));
        wait_for(transfers);
        transport_->wait(*transport_->post_receive(0, tag, {request.partials[0], bytes(request)}));
    }

    template <class T>
    void centre(const firecaffe::ReduceRequest& request, const firecaffe::comm::OperationTag& tag) {
        std::vector<Term<T>> terms;
        const auto own = nodes_of(0);
        for (std::size_t i = 0; i < own.size(); ++i)
            terms.push_back({own[i], reinterpret_cast<T*>(request.partials[i])});
        std::deque<std::vector<T>> received;
        Transfers transfers;
        for (int peer = 1; peer < size(); ++peer) {
            for (const firecaffe::ShardNode& node : nodes_of(peer)) {
                received.emplace_back(request.count);
                transfers.push_back(
                    transport_->post_receive(peer, tag, std::as_writable_bytes(std::span(received.back()))));
                terms.push_back({node, received.back().data()});
            }
        }
        wait_for(transfers);

        const T* sum = value(firecaffe::shard_root(shards_), terms, request.count);
        T* result = reinterpret_cast<T*>(request.partials[0]);
        if (sum != result) std::copy(sum, sum + request.count, result);

        transfers.clear();
        for (int peer = 1; peer < size(); ++peer)
            transfers.push_back(transport_->post_send(peer, tag, {request.partials[0], bytes(request)}));
        wait_for(transfers);
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
};

}  // namespace embed
