// SPDX-License-Identifier: Apache-2.0
// Schedule: one rank's steps of a plan, cut into pieces and put into the order that executor.hpp describes.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "firecaffe/comm/plan.hpp"
#include "firecaffe/comm/transport.hpp"

namespace firecaffe::comm {

/// One chunk of one step. Pieces are numbered in the order of the schedule.
struct Piece {
    static constexpr int kNone = -1;

    const Step* step = nullptr;
    std::size_t begin = 0, end = 0;  ///< elements
    /// The last earlier piece that writes, or locally reads, some of the same elements of the slot.
    int writer = kNone;
    int send = kNone;  ///< the last earlier piece that sends some of them

    // What the engine notes while the piece runs.
    int buffer = kNone;  ///< of those for receiving or for sending, if it needs one
    bool posted = false, arrived = false;
    std::unique_ptr<Transfer> transfer;  ///< posted and not yet complete; of an addition, not yet added

    std::size_t elements() const { return end - begin; }
};

class Schedule {
  public:
    /// Makes the pieces of `rank`, for `count` elements in chunks of `chunk`. They point into the plan, which must
    /// outlive them. Allocates nothing once it has seen the longest schedule.
    void make(const Plan& plan, Rank rank, std::size_t count, std::size_t chunk);
    /// Ends the pieces, and with them the transfers that they hold.
    void clear() { pieces_.clear(); }

    std::size_t size() const { return pieces_.size(); }
    Piece& operator[](std::size_t number) { return pieces_[number]; }
    const Piece& operator[](std::size_t number) const { return pieces_[number]; }
    std::vector<Piece>& pieces() { return pieces_; }

  private:
    std::size_t find_first_chunks(int parts);
    void add_pieces(const std::vector<Step>& steps, std::size_t round, std::size_t c);
    void add_piece(const Step& step, std::size_t begin, std::size_t end);
    std::size_t cell_of(std::size_t element) const { return element / chunk_ + element * parts_ / count_; }

    std::vector<Piece> pieces_;
    std::size_t count_ = 0, chunk_ = 1;  // elements
    std::size_t chunks_ = 1, parts_ = 1, cells_ = 2;
    std::vector<std::size_t> first_chunk_;                     // of each part, and one past the last
    std::vector<std::size_t> round_begin_;                     // the first step of each round
    std::vector<std::pair<std::size_t, std::size_t>> ranges_;  // of each step: its elements
    std::vector<int> last_writer_, last_send_;                 // [slot * cells + cell], while pieces are made
};

}  // namespace firecaffe::comm
