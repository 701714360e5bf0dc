// SPDX-License-Identifier: Apache-2.0
#include "comm/collective/schedule.hpp"

#include <algorithm>

namespace firecaffe::comm {

// Chunks lie on a grid over the whole request, so that pieces of different steps meet only if their chunks do. What
// tells whether they do meet is finer: a cell is what of a chunk belongs to one of the plan's parts.
void Schedule::make(const Plan& plan, Rank rank, std::size_t count, std::size_t chunk) {
    const std::vector<Step>& steps = plan.steps[static_cast<std::size_t>(rank)];
    const auto slots = static_cast<std::size_t>(plan.slots(rank) + plan.scratch_slots(rank));
    count_ = count;
    chunk_ = chunk;
    parts_ = static_cast<std::size_t>(plan.parts);
    chunks_ = std::max<std::size_t>(1, (count + chunk_ - 1) / chunk_);
    cells_ = chunks_ + parts_;
    last_writer_.assign(slots * cells_, Piece::kNone);
    last_send_.assign(slots * cells_, Piece::kNone);
    pieces_.clear();

    const std::size_t rounds = steps.empty() ? 0 : static_cast<std::size_t>(steps.back().round) + 1;
    round_begin_.assign(rounds + 1, 0);
    for (const Step& step : steps) ++round_begin_[static_cast<std::size_t>(step.round) + 1];
    for (std::size_t r = 0; r < rounds; ++r) round_begin_[r + 1] += round_begin_[r];
    ranges_.clear();
    for (const Step& step : steps) ranges_.push_back({step.begin(count), step.end(count)});

    const std::size_t deepest = find_first_chunks(plan.parts);
    for (std::size_t time = 0; time + 1 < deepest + rounds; ++time) {
        for (std::size_t depth = time < rounds ? 0 : time - rounds + 1; depth <= time && depth < deepest; ++depth) {
            for (std::size_t part = 0; part < parts_; ++part) {
                const std::size_t c = first_chunk_[part] + depth;
                if (c < first_chunk_[part + 1]) add_pieces(steps, time - depth, c);
            }
        }
    }
}

// A chunk belongs to the part in which it begins. Returns the most chunks that a part has.
std::size_t Schedule::find_first_chunks(int parts) {
    first_chunk_.clear();
    std::size_t deepest = 0;
    for (int part = 0; part <= parts; ++part) {
        const std::size_t begin = Part{part, parts}.begin(count_);
        first_chunk_.push_back(part == parts ? chunks_ : std::min(chunks_, (begin + chunk_ - 1) / chunk_));
        if (part > 0) deepest = std::max(deepest, first_chunk_.back() - first_chunk_[first_chunk_.size() - 2]);
    }
    return deepest;
}

void Schedule::add_pieces(const std::vector<Step>& steps, std::size_t round, std::size_t c) {
    for (std::size_t s = round_begin_[round]; s < round_begin_[round + 1]; ++s) {
        const auto [first, last] = ranges_[s];
        const std::size_t begin = std::max(first, c * chunk_), end = std::min(last, (c + 1) * chunk_);
        if (begin < end) {
            add_piece(steps[s], begin, end);
        } else if (first == last && c == std::min(first / chunk_, chunks_ - 1)) {
            // A step without elements still sends an empty message, which checks that both ends mean one request.
            pieces_.emplace_back().step = &steps[s];
        }
    }
}

void Schedule::add_piece(const Step& step, std::size_t begin, std::size_t end) {
    const auto number = static_cast<int>(pieces_.size());
    Piece& piece = pieces_.emplace_back();
    piece.step = &step;
    piece.begin = begin;
    piece.end = end;
    const std::size_t first = cell_of(begin), last = cell_of(end - 1);
    for (std::size_t cell = first; cell <= last; ++cell) {
        const std::size_t at = static_cast<std::size_t>(step.slot) * cells_ + cell;
        piece.writer = std::max(piece.writer, last_writer_[at]);
        piece.send = std::max(piece.send, last_send_[at]);
        (step.kind == Step::Kind::send ? last_send_ : last_writer_)[at] = number;
        // What an addition reads may not be overwritten before it; to count it as written is simple and safe.
        if (step.kind == Step::Kind::add) last_writer_[static_cast<std::size_t>(step.other) * cells_ + cell] = number;
    }
}

}  // namespace firecaffe::comm
