// SPDX-License-Identifier: Apache-2.0
// Which element types and devices trainers and nets are compiled for, in a build without CUDA. The build copies this
// file, or with_cuda.hpp, to device/instances.hpp.
#pragma once

#define FIRECAFFE_FOR_EACH_INSTANCE(instantiate) instantiate(float, Cpu) instantiate(double, Cpu)
#define FIRECAFFE_FOR_EACH_NET(instantiate) FIRECAFFE_FOR_EACH_INSTANCE(instantiate)
