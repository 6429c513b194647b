"""Passes of the zoo, restated: the survey's table, and every cascade as the analysis counts it today."""

TABLE = {
    pair: keys.split()
    for pair, keys in {
        "0 -> 0": """
        modffn
        """,
        "1 -> 1": """
        attgate davit_channel gdelta gla l2vit l2vit_lcm lightning mala medusa nala sigmoid ssd ssma
        """,
        "2 -> 1": """
        block_gelu block_swiglu decode linattn rmsnorm_linear swa_sink
        """,
        "2 -> 2": """
        danet_cam
        """,
        "3 -> 1": """
        acmil agent aggattn aki_mma alibi attn attn_causal bam contmix croc crosslmm danet_pam dara
        echomimic eemllm gated gqa grid icl maxvit_block maxvit_grid mla moa moh msaconv msdeform na1d_dil
        na2d paro rcmha rope tap uniavgen vhr
        """,
        "3 -> 2": """
        layernorm softmax ulsam vitgaze
        """,
        "4 -> 1": """
        moda segscale var
        """,
        "4 -> 2": """
        dyvte moba_topk vmoba
        """,
        "4 -> 3": """
        vtc_cls
        """,
        "5 -> 2": """
        broadway
        """,
        "5 -> 3": """
        sparsifiner
        """,
        "6 -> 3": """
        vslash
        """,
        "6 -> 4": """
        cmai
        """,
        "3+K -> 3+K": """
        mmtok
        """,
    }.items()
}
"""Straightforward -> best. ONE-PEACE's feed-forward layers (modffn) have no sequence: 0 passes. Gdelta's 1 is that
of its recurrent form. The table has no number for moe, whose sequence is the experts: ours is 3 -> 2."""

OURS = {"moe": "3 -> 2"}

FOUND = {
    number: names.split()
    for number, names in {
        0: """
        matmul modffn-gather
        """,
        1: """
        acmil-1pass agent-1pass aggattn-online aki_mma-online alibi-online attention-1pass attention-flash
        attention-unstable attgate-1pass gradients attn-fa1 attn-fusemax attn-naive1 attn-split1 attn_causal-fusemax
        bam-online block_gelu-online block_swiglu-online contmix-online croc-online crosslmm-online
        danet_pam-online dara-online davit_channel-1pass decode-splitkv echomimic-online eemllm-online
        gated-online gdelta-chunked gdelta-recurrent gla-chunked gla-recurrent gqa-online grid-online
        icl-online l2vit-1pass l2vit_lcm-1pass lightning-chunked lightning-quadratic lightning-recurrent
        linattn-kv mala-1pass maxvit_block-online maxvit_grid-online medusa-gate mla-absorbed1 mla-online
        moa-online moda-segments moh-online msaconv-online msdeform-online na1d_dil-online na2d-1pass
        nala-1pass paro-online rcmha-online rmsnorm_linear-1pass rope-online segscale-1pass sigmoid-1pass
        ssd-chunked ssd-quadratic ssd-recurrent ssma-1pass swa_sink-online swa_sink-rolling tap-online
        uniavgen-online var-segment1 vhr-online
        """,
        2: """
        aggattn-merge attention-2pass attention-deferred attn-defer2 attn-localmax2 attn-naive2
        block_gelu-deferred2 block_swiglu-deferred2 broadway-reassoc contmix-reassoc danet_cam-2pass
        decode-append dyvte-online gqa-grouped l2vit-quadratic layernorm-2pass linattn-quadratic
        mala-quadratic mla-absorbed moba_topk-best moe-deferred rmsnorm_linear-2pass softmax-2pass
        softmax-online2 softmax-unstable swa_sink-affine swa_sink-mask swa_sink-merge ulsam-online2
        vitgaze-2pass vmoba-online
        """,
        3: """
        acmil-direct agent-3pass aggattn-direct aki_mma-3pass alibi-3pass attention-3pass attn-3pass
        attn_causal-3pass bam-3pass contmix-direct croc-3pass crosslmm-separate danet_pam-3pass dara-3pass
        echomimic-3pass eemllm-3pass gated-3pass gqa-divmod grid-3pass icl-3pass layernorm-3pass
        maxvit_block-3pass maxvit_grid-3pass mla-naive moa-3pass moe-counted moh-3pass msaconv-3pass
        msdeform-gather na1d_dil-3pass na2d-3pass paro-3pass rcmha-3pass rope-3pass softmax softmax-3pass
        sparsifiner-deferred tap-3pass ulsam-3pass uniavgen-3pass vhr-3pass vitgaze-3pass vslash-best
        vtc_cls-best
        """,
        4: """
        cmai-best dyvte-3pass gdelta-solve moba_topk-3pass moda-direct moe-gather segscale-direct
        var-direct vmoba-3pass vtc_cls-direct
        """,
        5: """
        broadway-direct sparsifiner-direct
        """,
        6: """
        cmai-direct vslash-3pass
        """,
        "3+K": """
        mmtok-greedy
        """,
    }.items()
}
