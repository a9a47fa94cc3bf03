// chirp.c -- see chirp.h. The window begins half a chirp before the onset (filled from a short
// memory of what came before) and is correlated once it is full.
#include "media/chirp.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

enum { AMPLITUDE = 12000, RAMP_MS = 2, LOW_HZ = 800, HIGH_HZ = 3200 };
static const double match_min = 0.5; // power; codecs at 16 kb/s leave 0.8, speech reaches 0.1
static const double two_pi = 6.283185307179586;

size_t prl_chirp_write(int16_t out[PRL_CHIRP_SAMPLES_MAX], uint32_t rate_hz)
{
    PRL_CHECK(rate_hz >= 8000 && rate_hz <= PRL_CHIRP_RATE_MAX);
    size_t count = (size_t)(rate_hz / 1000) * PRL_CHIRP_MS;
    double seconds = PRL_CHIRP_MS / 1000.0;
    double ramp = RAMP_MS / 1000.0;
    for (size_t i = 0; i < count; i++) {
        double t = (double)i / rate_hz;
        double phase = two_pi * (LOW_HZ * t + (HIGH_HZ - LOW_HZ) / (2 * seconds) * t * t);
        double edge = t < seconds - t ? t : seconds - t;
        double gain = edge < ramp ? edge / ramp : 1;
        out[i] = (int16_t)lrint(AMPLITUDE * gain * sin(phase));
    }
    return count;
}

void prl_chirp_finder_init(struct prl_chirp_finder *finder, uint32_t rate_hz)
{
    *finder = (struct prl_chirp_finder){.rate_hz = rate_hz};
    finder->chirp_samples = prl_chirp_write(finder->chirp, rate_hz);
    for (size_t i = 0; i < finder->chirp_samples; i++)
        finder->chirp_energy += (double)finder->chirp[i] * finder->chirp[i];
    prl_chirp_gap(finder);
}

void prl_chirp_gap(struct prl_chirp_finder *finder)
{
    finder->quiet = (uint64_t)finder->rate_hz;
    finder->gathering = false;
    finder->filled = 0;
}

// The share of the window's power from `at` on that is the chirp.
static double match_at(const struct prl_chirp_finder *finder, size_t at)
{
    double product = 0;
    double energy = 1;
    for (size_t i = 0; i < finder->chirp_samples; i++) {
        double sample = finder->window[at + i];
        product += sample * finder->chirp[i];
        energy += sample * sample;
    }
    return product * product / (energy * finder->chirp_energy);
}

// The window is full: where is the chirp, if anywhere?
static void decide(struct prl_chirp_finder *finder, struct prl_chirp_onset *onset)
{
    size_t best = finder->lead;
    double match = 0;
    for (size_t at = 0; at + finder->chirp_samples <= finder->filled; at++) {
        double here = match_at(finder, at);
        if (here > match) {
            match = here;
            best = at;
        }
    }
    bool marked = match >= match_min;
    uint64_t start = finder->onset_at - finder->lead;
    *onset = (struct prl_chirp_onset){
        .sample = marked ? start + best : finder->onset_at, .marked = marked, .match = match};
    finder->gathering = false;
    finder->filled = 0;
    finder->quiet = 0;
}

// Keeps the newest half chirp of what was heard, in front of the window.
static void remember(struct prl_chirp_finder *finder, int16_t sample)
{
    size_t lead_max = finder->chirp_samples / 2;
    if (finder->filled == lead_max) {
        memmove(finder->window, finder->window + 1, (lead_max - 1) * sizeof(int16_t));
        finder->filled--;
    }
    finder->window[finder->filled++] = sample;
}

bool prl_chirp_find(struct prl_chirp_finder *finder, const int16_t *pcm, size_t n,
                    struct prl_chirp_onset *onset)
{
    uint64_t quiet_min = (uint64_t)(finder->rate_hz / 1000) * PRL_CHIRP_QUIET_MS;
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        bool loud = pcm[i] >= PRL_CHIRP_LOUD || pcm[i] <= -PRL_CHIRP_LOUD;
        finder->samples++;
        if (finder->gathering) {
            finder->window[finder->filled++] = pcm[i];
            if (finder->filled == finder->lead + finder->chirp_samples * 3 / 2) {
                decide(finder, onset);
                found = true;
            }
            continue;
        }
        if (loud && finder->quiet >= quiet_min) {
            finder->gathering = true;
            finder->lead = finder->filled;
            finder->onset_at = finder->samples - 1;
            finder->window[finder->filled++] = pcm[i];
            continue;
        }
        finder->quiet = loud ? 0 : finder->quiet + 1;
        if (finder->quiet > quiet_min / 2)
            remember(finder, pcm[i]);
        else
            finder->filled = 0;
    }
    return found;
}
