// SPDX-License-Identifier: Apache-2.0
// The table of nccl-tests' all_reduce_perf: what its readers, people and programs, know where to look for.
#pragma once

#include <string>

#include "firecaffe/bench/allreduce.hpp"

namespace firecaffe::cli {

/// Lines end in a newline; those that are no rows begin with "#".
class BenchTable {
  public:
    /// `columns` is what the output is wide: with room for it, percentiles and bytes on the wire stand behind the
    /// columns of nccl-tests. 0: not known, then without.
    BenchTable(const AllreduceOptions& options, int ranks, int columns);

    /// What was measured, and the columns' names.
    std::string head(const AllreduceTable& table) const;
    std::string row(const AllreduceRow& row) const;
    /// Wrong elements, and the mean bus bandwidth.
    std::string foot(const AllreduceTable& table) const;

  private:
    std::string times(const AllreduceTimes& times, std::size_t bytes) const;

    AllreduceOptions options_;
    int ranks_;
    bool wide_;
};

/// Microseconds in seven columns: "12.34", "123.4", "12345".
std::string microseconds(double seconds);

}  // namespace firecaffe::cli
