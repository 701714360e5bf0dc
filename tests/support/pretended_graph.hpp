// SPDX-License-Identifier: Apache-2.0
// A graph for WorkParts that records nothing and notes what is asked of it. A test notes what else happens in between.
#pragma once

#include <string>

namespace firecaffe::testing {

class PretendedGraph {
  public:
    static inline std::string log;  ///< " begin1 launch1 ..."; a graph has the number of its first begin()
    static inline int graphs = 0;
    static void forget() {
        log.clear();
        graphs = 0;
    }

    void begin() { note("begin"); }
    void launch() { note("launch"); }
    void discard() noexcept { note("discard"); }

  private:
    void note(const char* what) { log += " " + (what + std::to_string(number_)); }

    const int number_ = ++graphs;
};

}  // namespace firecaffe::testing
