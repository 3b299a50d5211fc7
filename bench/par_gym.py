"""Steps per second of gym-trading-env; run by the peers' interpreter, it imports nothing of ours."""

import json
import sys
import time

import gym_trading_env  # noqa: F401  registers the environment
import gymnasium as gym
import numpy as np
import pandas as pd


def medir(encargo: dict) -> dict:
    """Take random actions on the candles and features of a file."""
    tabla = pd.read_csv(encargo["file"])
    tabla.index = pd.to_datetime(tabla.pop("open_time"), unit="ms")
    entorno = gym.make(
        "TradingEnv",
        df=tabla,
        positions=[-1, 0, 1],
        windows=encargo["window"],
        trading_fees=encargo["fee"],
        max_episode_duration=encargo["episode"],
        verbose=0,
    )
    acciones = np.random.default_rng(0).integers(3, size=encargo["steps"]).tolist()
    entorno.reset(seed=0)
    velocidades = []
    for _ in range(encargo["rounds"]):
        inicio = time.process_time()
        for accion in acciones:
            _, _, terminado, cortado, _ = entorno.step(accion)
            if terminado or cortado:
                entorno.reset()
        velocidades.append(len(acciones) / (time.process_time() - inicio))
    return {"steps_s": sorted(velocidades)[len(velocidades) // 2]}


if __name__ == "__main__":
    print(json.dumps(medir(json.loads(sys.argv[1]))))
