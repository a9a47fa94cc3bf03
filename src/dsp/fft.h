// fft.h -- discrete Fourier transform of real signals, any even size with small prime factors.
//
// Units:    a spectrum is size/2 + 1 complex numbers, real and imaginary part in turn. The inverse
//           is not scaled: forward and back multiplies by `size`.
// Threads:  one owner (it holds scratch memory).
// Memory:   two blocks, made in create.
// Source:   kissfft (BSD), wrapped here and nowhere else. FFTW would be GPL.
#ifndef PRL_DSP_FFT_H
#define PRL_DSP_FFT_H

#include <stddef.h>

#include "base/err.h"

struct prl_fft;

// `size` even, 4..65536.
enum prl_err prl_fft_create(struct prl_fft **out, size_t size) PRL_MUST_USE;
void prl_fft_destroy(struct prl_fft **fft);

void prl_fft_forward(struct prl_fft *fft, const float *signal, float *spectrum);
void prl_fft_inverse(struct prl_fft *fft, const float *spectrum, float *signal);

#endif
