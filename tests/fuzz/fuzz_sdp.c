// fuzz_sdp.c -- a description as an offer, our answer to it, and that answer read as its client
// would; what is no offer is tried as an answer.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rtc/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_answer(const struct prl_sdp *offer, const struct prl_str *text)
{
    char why[PRL_RTC_WHY_SIZE];
    struct prl_sdp answer;
    check(prl_sdp_parse(&answer, PRL_SDP_ANSWER, prl_str_text(text), text->len, why) == PRL_OK);
    check(answer.media_count == offer->media_count && answer.bundle == offer->bundle);
    for (size_t i = 0; i < offer->media_count; i++) {
        check(answer.media[i].use == offer->media[i].use);
        check(strcmp(answer.media[i].mid, offer->media[i].mid) == 0);
        check(strcmp(answer.media[i].kind, offer->media[i].kind) == 0);
    }
    check(answer.codec_count == offer->codec_count);
    for (size_t i = 0; i < offer->codec_count; i++)
        check(answer.codecs[i].codec == offer->codecs[i].codec &&
              answer.codecs[i].payload_type == offer->codecs[i].payload_type);
    check(answer.direction == prl_sdp_mirror(offer->direction));
    check(answer.transport_cc_id == offer->transport_cc_id);
    check(answer.has_data == offer->has_data && answer.candidate_count == 2);
}

static void answer_offer(const struct prl_sdp *offer)
{
    static const struct prl_ice_credentials ours = {"serverfr", "serverpasswordserverpass"};
    static const uint8_t fingerprint[PRL_SDP_FINGERPRINT_SIZE] = {1};
    struct prl_sdp_candidate candidates[2] = {{.tcp = false}, {.tcp = true}};
    check(prl_addr_parse(&candidates[0].address, "192.0.2.1", 8189));
    check(prl_addr_parse(&candidates[1].address, "2001:db8::1", 8189));
    const struct prl_sdp_local local = {
        .ice = &ours,
        .fingerprint = fingerprint,
        .setup = prl_sdp_answer_setup(offer->setup),
        .cname = "c",
        .data = true,
        .candidates = candidates,
        .candidate_count = 2,
    };
    struct prl_str text;
    prl_str_init(&text, PRL_SDP_ANSWER_MAX);
    enum prl_err err = prl_sdp_answer(offer, &local, &text);
    if (err != PRL_ERR_NOMEM) {
        check(err == PRL_OK);
        check_answer(offer, &text);
    }
    prl_str_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[PRL_RTC_WHY_SIZE];
    struct prl_sdp sdp;
    char *copy = prl_mem_dup(data, size + (size == 0)); // ends where the description does
    if (!copy)
        return 0;
    if (prl_sdp_parse(&sdp, PRL_SDP_OFFER, copy, size, why) == PRL_OK) {
        check(sdp.codec_count > 0 && sdp.fingerprint_count > 0);
        answer_offer(&sdp);
    } else {
        check(why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL);
        enum prl_err err = prl_sdp_parse(&sdp, PRL_SDP_ANSWER, copy, size, why);
        check(err == PRL_OK || why[0] != '\0');
    }
    prl_mem_free(copy);
    return 0;
}
