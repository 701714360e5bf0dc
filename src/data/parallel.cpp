// SPDX-License-Identifier: Apache-2.0
#include "data/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace firecaffe::data_detail {

void for_each_item(std::size_t count, int threads, const std::function<void(std::size_t)>& work) {
    std::atomic<std::size_t> next{0};
    std::mutex mutex;
    std::exception_ptr error;
    std::size_t failed = count;
    const auto take_items = [&] {
        for (std::size_t item; (item = next.fetch_add(1)) < count;) {
            try {
                work(item);
            } catch (...) {
                const std::lock_guard lock(mutex);
                if (item < failed) {
                    failed = item;
                    error = std::current_exception();
                }
                next = count;
            }
        }
    };
    {
        std::vector<std::jthread> helpers;
        for (std::size_t t = 1; t < std::min(count, static_cast<std::size_t>(std::max(threads, 1))); ++t)
            helpers.emplace_back(take_items);
        take_items();
    }
    if (error) std::rethrow_exception(error);
}

}  // namespace firecaffe::data_detail
