"""Config files written from published facts, as a model's folder has them."""

LLAMA_3_8B = {
    "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 128000,
    "eos_token_id": 128001, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
    "intermediate_size": 14336, "max_position_embeddings": 8192, "model_type": "llama", "num_attention_heads": 32,
    "num_hidden_layers": 32, "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": None,
    "rope_theta": 500000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    "transformers_version": "4.40.0.dev0", "use_cache": True, "vocab_size": 128256,
}  # fmt: skip
QWEN3_06B = {
    "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "head_dim": 128, "hidden_act": "silu",
    "hidden_size": 1024, "intermediate_size": 3072, "max_position_embeddings": 40960, "max_window_layers": 28,
    "model_type": "qwen3", "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06, "rope_theta": 1000000, "sliding_window": None, "tie_word_embeddings": True,
    "use_sliding_window": False, "vocab_size": 151936,
}  # fmt: skip
QWEN2_7B = {
    "architectures": ["Qwen2ForCausalLM"], "hidden_act": "silu", "hidden_size": 3584, "intermediate_size": 18944,
    "max_position_embeddings": 131072, "max_window_layers": 28, "model_type": "qwen2", "num_attention_heads": 28,
    "num_hidden_layers": 28, "num_key_value_heads": 4, "rms_norm_eps": 1e-06, "sliding_window": 131072,
    "tie_word_embeddings": False, "use_sliding_window": False, "vocab_size": 152064,
}  # fmt: skip
MIXTRAL = {
    "architectures": ["MixtralForCausalLM"], "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336,
    "model_type": "mixtral", "num_attention_heads": 32, "num_experts_per_tok": 2, "num_hidden_layers": 32,
    "num_key_value_heads": 8, "num_local_experts": 8, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
    "router_aux_loss_coef": 0.02, "sliding_window": None, "tie_word_embeddings": False, "vocab_size": 32000,
}  # fmt: skip
DEEPSEEK_V2_LITE = {
    "architectures": ["DeepseekV2ForCausalLM"], "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": 2048,
    "intermediate_size": 10944, "kv_lora_rank": 512, "model_type": "deepseek_v2", "moe_intermediate_size": 1408,
    "moe_layer_freq": 1, "n_routed_experts": 64, "n_shared_experts": 2, "num_attention_heads": 16,
    "num_experts_per_tok": 6, "num_hidden_layers": 27, "num_key_value_heads": 16, "q_lora_rank": None,
    "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "vocab_size": 102400,
}  # fmt: skip
GEMMA_2B = {
    "architectures": ["GemmaForCausalLM"], "head_dim": 256, "hidden_act": "gelu", "hidden_size": 2048,
    "intermediate_size": 16384, "model_type": "gemma", "num_attention_heads": 8, "num_hidden_layers": 18,
    "num_key_value_heads": 1, "vocab_size": 256000,
}  # fmt: skip
GEMMA_2_2B = {
    "architectures": ["Gemma2ForCausalLM"], "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
    "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2304, "intermediate_size": 9216,
    "model_type": "gemma2", "num_attention_heads": 8, "num_hidden_layers": 26, "num_key_value_heads": 4,
    "query_pre_attn_scalar": 256, "sliding_window": 4096, "vocab_size": 256000,
}  # fmt: skip
ROBERTA = {
    "architectures": ["RobertaModel"], "hidden_act": "gelu", "hidden_size": 768, "intermediate_size": 3072,
    "max_position_embeddings": 514, "model_type": "roberta", "num_attention_heads": 12, "num_hidden_layers": 12,
    "type_vocab_size": 1, "vocab_size": 50265,
}  # fmt: skip
T5_LARGE = {
    "architectures": ["T5ForConditionalGeneration"], "d_ff": 4096, "d_kv": 64, "d_model": 1024, "model_type": "t5",
    "num_heads": 16, "num_layers": 24, "vocab_size": 32128, "is_encoder_decoder": True,
}  # fmt: skip
VIT_L_32 = {
    "architectures": ["ViTForImageClassification"], "hidden_act": "gelu", "hidden_size": 1024, "image_size": 224,
    "intermediate_size": 4096, "model_type": "vit", "num_attention_heads": 16, "num_channels": 3,
    "num_hidden_layers": 24, "patch_size": 32, "id2label": {str(n): f"class {n}" for n in range(1000)},
}  # fmt: skip

# Parameters: exact where all of the model's tensors are added up in public (model cards, torchvision).
KNOWN = [
    (LLAMA_3_8B, 8_030_261_248, 0),
    (QWEN3_06B, 596_049_920, 0),
    (QWEN2_7B, 7_615_616_512, 0),
    (MIXTRAL, 46_702_792_704, 0),
    (DEEPSEEK_V2_LITE, 15_706_484_224, 0),
    (GEMMA_2B, 2_506_172_416, 0),
    (GEMMA_2_2B, 2_614_341_888, 0),
    (ROBERTA, 124_645_632, 0),
    (T5_LARGE, 737_668_096, 0),
    (VIT_L_32, 306_535_400, 0),
]
PUBLISHED = {  # billions, and as far as they are given
    "Llama-3-8B": (8.03, 0.005), "Llama-3-70B": (70.6, 0.05), "Llama-3-405B": (405.9, 0.05),
    "Mistral-7B": (7.24, 0.005),
    "Mixtral-8x7B": (46.7, 0.05), "Qwen3-8B": (8.2, 0.05), "Qwen3-32B": (32.8, 0.05), "Qwen3-30B-A3B": (30.5, 0.05),
    "Gemma-2-9B": (9.24, 0.005), "Gemma-2-27B": (27.2, 0.05), "DeepSeek-V3": (671.0, 0.5), "GPT-2": (0.124, 0.0005),
    "BERT-base": (0.110, 0.0006), "BERT-large": (0.335, 0.0005), "T5-small": (0.0605, 0.00005),
    "T5-base": (0.223, 0.0005), "XLM-en-2048": (0.667, 0.0005), "ViT-B-16": (0.0866, 0.00005),
    "ViT-L-16": (0.3043, 0.00005),
}  # fmt: skip
ACTIVE = {"Mixtral-8x7B": (12.9, 0.05), "Qwen3-30B-A3B": (3.3, 0.06), "DeepSeek-V3": (37.0, 0.6)}
