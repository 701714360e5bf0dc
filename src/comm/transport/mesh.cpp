// SPDX-License-Identifier: Apache-2.0
#include "comm/transport/mesh.hpp"

#include <algorithm>

#include "comm/transport/control_plane.hpp"
#include "comm/transport/data_plane.hpp"
#include "comm/transport/region_table.hpp"
#include "comm/transport/socket_link.hpp"
#include "firecaffe/core/error.hpp"

namespace firecaffe::comm {

namespace {

std::vector<std::unique_ptr<Link>> make_links(Mesh& mesh, const RegionTable& regions, RateLimit* limit) {
    std::vector<std::unique_ptr<Link>> links(mesh.peers.size());
    for (std::size_t i = 0; i < links.size(); ++i) {
        const Rank peer = static_cast<Rank>(i);
        if (peer == mesh.rank) continue;
        if (i < mesh.shared.size() && mesh.shared[i].socket)
            links[i] = std::make_unique<SharedLink>(mesh.rank, peer, std::move(mesh.shared[i]), regions);
        else
            links[i] = std::make_unique<SocketLink>(peer, std::move(mesh.data[i]), limit);
    }
    return links;
}

class MeshTransport final : public Transport {
  public:
    explicit MeshTransport(Mesh mesh)
        : rank_(mesh.rank),
          peers_(mesh.peers),
          shares_memory_(std::ranges::any_of(mesh.shared, [](const SharedEnds& ends) { return bool(ends.socket); })),
          limit_(mesh.bytes_per_second > 0 ? std::make_unique<RateLimit>(mesh.bytes_per_second) : nullptr),
          data_(mesh.rank, make_links(mesh, *regions_, limit_.get()), limit_.get(), verdict_,
                {[this](Rank rank, const LinkFault& fault) { control_.broken(rank, fault); },
                 [this](const std::string& reason) { control_.abort(reason); }, [this] { control_.busy(); }}),
          control_(mesh.rank, std::move(mesh.peers), std::move(mesh.control), mesh.deadline_seconds, mesh.stall_seconds,
                   data_, verdict_) {
        if (size() > 1) control_.start();
    }

    ~MeshTransport() override {
        if (!closed_) abort("it ended without a goodbye; see its log");
        control_.stop();
        data_.close();
    }

    Rank rank() const override { return rank_; }
    int size() const override { return static_cast<int>(peers_.size()); }
    PeerInfo peer(Rank rank) const override {
        if (rank < 0 || rank >= size()) throw UsageError("there is no rank ", rank, " among ", size());
        return peers_[static_cast<std::size_t>(rank)];
    }

    std::unique_ptr<Transfer> post_send(Rank to, const OperationTag& tag, std::span<const std::byte> bytes) override {
        return data_.post_send(to, tag, bytes);
    }
    std::unique_ptr<Transfer> post_receive(Rank from, const OperationTag& tag, std::span<std::byte> bytes) override {
        return data_.post_receive(from, tag, bytes, false);
    }
    std::unique_ptr<Transfer> post_borrow(Rank from, const OperationTag& tag, std::span<std::byte> buffer) override {
        return data_.post_receive(from, tag, buffer, true);
    }
    Memory<Cpu> allocate(std::size_t bytes) override {
        return shares_memory_ ? regions_->allocate(bytes) : Memory<Cpu>(bytes);
    }
    void wait(Transfer& transfer) override {
        auto* ours = dynamic_cast<DataTransfer*>(&transfer);
        if (ours == nullptr || &ours->plane != &data_)
            throw UsageError("wait() was given a transfer of another transport; wait where it was posted");
        data_.wait(*ours);
    }

    std::size_t wait_any(std::span<Transfer* const> transfers, Rank awaited) override {
        return data_.wait_any(transfers, awaited);
    }
    void interrupt() noexcept override { data_.nudge(); }

    void check(const OperationTag& tag) override { data_.check(tag); }

    void abort(const std::string& reason) noexcept override {
        try {
            control_.abort(reason);
        } catch (...) {
            // Only memory can be lacking; then the end of this process says it.
        }
    }
    void note_progress() noexcept override { data_.note_progress(); }
    void close() noexcept override {
        if (closed_) return;
        closed_ = true;
        try {
            if (size() > 1) control_.close();
        } catch (...) {
            // As above; the connections are closed all the same.
        }
        control_.stop();
        data_.close();
    }
    std::uint64_t bytes_sent() const override { return data_.bytes_sent(); }

  private:
    const Rank rank_;
    const std::vector<PeerInfo> peers_;
    const bool shares_memory_;
    const std::shared_ptr<RegionTable> regions_ = std::make_shared<RegionTable>();
    VerdictCell verdict_;
    const std::unique_ptr<RateLimit> limit_;
    DataPlane data_;
    ControlPlane control_;
    bool closed_ = false;
};

}  // namespace

std::shared_ptr<Transport> make_mesh_transport(Mesh mesh) {
    return std::make_shared<MeshTransport>(std::move(mesh));
}

}  // namespace firecaffe::comm
