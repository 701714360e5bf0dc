// SPDX-License-Identifier: Apache-2.0
// How the bodies of our kernels are written: as loops over indices, generic in the device.
//
// An op is a template over T and Device that calls Launch<Device>::for_each (or for_each_group) with a lambda. For Cuda
// that is a kernel launch (launch.cuh); for Cpu, in our tests, a plain loop. So a machine without a GPU runs the very
// op, its host code and its arithmetic, beside the reference.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define FIRECAFFE_HOST_DEVICE __host__ __device__ inline  // a function that kernels call
#define FIRECAFFE_KERNEL __device__  // a lambda that is given to for_each, or what works on a Group
#else
#define FIRECAFFE_HOST_DEVICE inline
#define FIRECAFFE_KERNEL
#endif
#ifdef __CUDA_ARCH__
#define FIRECAFFE_UNROLL _Pragma("unroll")  // a loop whose arrays must become registers
#else
#define FIRECAFFE_UNROLL
#endif

namespace firecaffe::cuda {

/// How kernels are started on a device; specialised in launch.cuh for Cuda, and for Cpu in tests:
///  * for_each(count, body): body(i) for i in [0, count), in any order, also at once
///  * for_each_group(count, body): body(i, group) for i in [0, count), where a Group<Device>& computes each together
/// A body is copied to the device, and so are the pointers that it holds: they are the device's.
template <class Device>
struct Launch;

/// Threads that work on one thing together, such as a row of a matrix. All of them must make the same calls:
///  * sum(count, f): f(0) + ... + f(count - 1) in double, in an order that count alone decides
///  * column_sums<Columns, N>(add, put): member m of kGroupSize adds, by add(column, row, sums), what it will to N sums
///    of column m % Columns, from row m / Columns on; put(column, k, sum) once for each column and k < N, by any member.
///    Columns is a power of two up to 32, and Columns * N is 64 at most
///  * largest(count, f): the largest f(k), for count > 0
///  * for_each(count, f): f(k) for each k; what it wrote is seen by the group after it
///  * once(f): f() by one member
template <class Device>
class Group;

/// Members of a group on a GPU, and terms that sum() adds side by side on any device.
inline constexpr int kGroupSize = 256;

}  // namespace firecaffe::cuda
